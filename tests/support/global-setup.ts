import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, realpathSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { claimFolder, claimHolder } from '../../lib/local/claim.ts';
import { endProcess, processesBelow } from '../../lib/local/process-table.ts';
import { findRedis } from '../../lib/local/redis-binary.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** A folder of this run, removed at its end; its path is short enough for sockets. */
    runFolder: string;
    /** Where the downloaded Redis is, if one was needed. */
    cacheFolder: string;
    /** A Unix socket that starts what all test files share, at the first call for it. */
    runServices: string;
  }
}

/** Postgres does not run as root, so the folder of a run of root's must be one that others can get to. */
const base = realpathSync(process.getuid?.() === 0 ? '/tmp' : tmpdir());
const PREFIX = 'dokku-api-tests-';
const cacheFolder = fileURLToPath(new URL('../../.local/cache', import.meta.url));

/** Ends the servers and removes the folders of earlier runs that were killed. */
async function removeKilledRuns(): Promise<void> {
  for (const name of readdirSync(base).filter((entry) => entry.startsWith(PREFIX))) {
    const folder = join(base, name);
    const claim = statSync(join(folder, 'starter.json'), { throwIfNoEntry: false });
    if (claim === undefined || claim.uid !== process.getuid?.() || claimHolder(folder) !== null) continue;
    for (const pid of processesBelow(folder, ['postgres', 'redis-server', 'valkey-server'])) {
      await endProcess(pid, [['SIGKILL', 5_000]]);
    }
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/**
 * Lays the ground of a test run: a folder, and a socket by which the test files ask for the one Postgres, and for a
 * Redis to be there. A run of unit tests asks for neither and waits for neither.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await removeKilledRuns();
  const run = claimFolder(mkdtempSync(join(base, PREFIX)));
  chmodSync(run.folder, 0o711);

  const stops: (() => Promise<void>)[] = [];
  const starters: Record<string, () => Promise<unknown>> = {
    postgres: async () => {
      const { startRunPostgres } = await import('./run-postgres.ts');
      const { stop, ...details } = await startRunPostgres(join(run.folder, 'postgres'));
      stops.push(stop);
      return details;
    },
    redis: () => findRedis({ cache: cacheFolder }),
  };
  const started = new Map<string, Promise<unknown>>();
  const server = createServer((client) => {
    client.once('data', (name) => {
      const service = String(name);
      const start = starters[service] ?? (() => Promise.reject(new Error(`There is no service ${service}`)));
      const details = started.get(service) ?? start();
      started.set(service, details);
      details.then(
        (value) => client.end(JSON.stringify({ value })),
        (error: unknown) => client.end(JSON.stringify({ error: String(error) })),
      );
    });
  });
  const socket = join(run.folder, 'services.sock');
  server.listen(socket);
  await once(server, 'listening');

  project.provide('runFolder', run.folder);
  project.provide('cacheFolder', cacheFolder);
  project.provide('runServices', socket);
  return async () => {
    server.close();
    await Promise.allSettled(started.values());
    for (const stop of stops) await stop();
    rmSync(run.folder, { recursive: true, force: true, maxRetries: 5 });
  };
}
