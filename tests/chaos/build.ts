import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));
const entries = ['handlers/server.ts', 'lib/local/stand-in/main.ts', 'tests/chaos/worker.ts'];

/**
 * Builds what a run starts into a new folder below `.local`, which the caller removes: processes that are killed and
 * started again hundreds of times should neither be translated each time nor depend on a build that others replace.
 */
export async function buildProcesses(): Promise<string> {
  const parent = join(root, '.local', 'chaos');
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, 'build-'));
  const project = join(folder, 'tsconfig.json');
  const compilerOptions = { rootDir: root, outDir: folder, noCheck: true, sourceMap: false };
  const files = entries.map((entry) => join(root, entry));
  writeFileSync(project, JSON.stringify({ extends: join(root, 'tsconfig.json'), compilerOptions, files, include: [] }));
  const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  await promisify(execFile)(process.execPath, [compiler, '-p', project], { cwd: root });
  // What is served as it is, and not translated.
  cpSync(join(root, 'handlers'), join(folder, 'handlers'), {
    recursive: true,
    filter: (source) => !/\.tsx?$/.test(source),
  });
  return folder;
}
