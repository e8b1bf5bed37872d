import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Builds what a run starts into a new folder below `.local`, which the caller removes: processes that are killed and
 * started again hundreds of times should neither be translated each time nor depend on a build that others replace.
 */
export async function buildProcesses(): Promise<string> {
  const parent = join(root, '.local', 'chaos');
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, 'build-'));
  const tsx = fileURLToPath(import.meta.resolve('tsx'));
  await promisify(execFile)(process.execPath, ['--import', tsx, 'build.ts', folder, 'tests/chaos/worker.ts'], {
    cwd: root,
  });
  return folder;
}
