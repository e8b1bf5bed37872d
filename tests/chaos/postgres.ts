import { join } from 'node:path';
import pg from 'pg';
import { inject } from 'vitest';
import { migrate } from '../../db/release.ts';
import { startPostgres } from '../../lib/local/postgres.ts';

const template = 'migrated';

/** A Postgres of its own, since it is restarted and crashed. */
export type ChaosPostgres = {
  /** Clones the migrated template; returns the URL. */
  createDatabase(name: string): Promise<string>;
  /** Ends it by the signal and starts it again at the same port: SIGINT is a fast shutdown, SIGQUIT as good as a crash. */
  restart(signal: 'SIGINT' | 'SIGQUIT'): Promise<void>;
  stop(): Promise<void>;
};

export async function startChaosPostgres(name: string): Promise<ChaosPostgres> {
  // What was committed outlives a crash of Postgres; one of the machine is not among the faults.
  const settings = { max_connections: '200', fsync: 'off', full_page_writes: 'off' };
  const folder = join(inject('runFolder'), name);
  let server = await startPostgres({ folder, settings });
  const administer = async (statement: string): Promise<void> => {
    const client = new pg.Client(server.url);
    await client.connect();
    try {
      await client.query(statement);
    } finally {
      await client.end();
    }
  };
  const urlOf = (database: string): string => {
    const url = new URL(server.url);
    url.pathname = `/${database}`;
    return url.href;
  };

  await administer(`CREATE DATABASE ${template}`);
  await migrate(urlOf(template));
  return {
    createDatabase: async (database) => {
      await administer(`CREATE DATABASE ${database} TEMPLATE ${template}`);
      return urlOf(database);
    },
    restart: async (signal) => {
      process.kill(server.pid, signal);
      await server.exited;
      await server.stop();
      server = await startPostgres({ folder, settings, port: server.port });
    },
    stop: async () => await server.stop(),
  };
}
