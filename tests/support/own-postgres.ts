import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, inject } from 'vitest';
import { migrate } from '../../db/release.ts';
import { startPostgres } from '../../lib/local/postgres.ts';

/** A Postgres of its own for a test file, to be stopped and started as often as it likes. */
export interface OwnPostgres {
  /** A migrated database; the same over restarts. */
  readonly url: string;
  /** Ends it in good order, every connection at once; done after the file in any case. */
  stop(): Promise<void>;
  /** Starts it again on the same port, with its data. */
  start(): Promise<void>;
}

const running = new Set<OwnPostgres>();

afterAll(async () => {
  for (const postgres of running) await postgres.stop();
});

/** Starts a Postgres in a folder of the run, and migrates it. What it said was committed outlives a crash of a process. */
export async function startOwnPostgres(): Promise<OwnPostgres> {
  const folder = mkdtempSync(join(inject('runFolder'), 'postgres-'));
  const start = (port?: number) =>
    startPostgres({
      folder,
      settings: { max_connections: '100', fsync: 'off', full_page_writes: 'off', restart_after_crash: 'on' },
      ...(port === undefined ? {} : { port }),
    });
  let server = await start();
  const postgres: OwnPostgres = {
    url: server.url,
    stop: async () => {
      await server.stop();
      running.delete(postgres);
    },
    start: async () => {
      await server.stop();
      server = await start(server.port);
      running.add(postgres);
    },
  };
  running.add(postgres);
  await migrate(server.url);
  return postgres;
}
