import pg from 'pg';
import { migrate } from '../../db/release.ts';
import { startPostgres } from '../../lib/local/postgres.ts';

/** The name of the migrated database that the tests' databases are cloned from. */
const TEMPLATE = 'migrated';

/** The one Postgres of a test run. */
export interface RunPostgres {
  /** As its superuser. */
  url: string;
  /** The database to clone. */
  template: string;
}

async function createTemplate(url: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${TEMPLATE}`);
    const template = new URL(url);
    template.pathname = `/${TEMPLATE}`;
    await migrate(template.href);
    // Whoever connected to the template by mistake would keep every test from cloning it.
    await client.query(`ALTER DATABASE ${TEMPLATE} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false`);
  } finally {
    await client.end();
  }
}

/** Starts it with a migrated template, its data in `folder`; fast, and not safe against a power failure. */
export async function startRunPostgres(folder: string): Promise<RunPostgres & { stop(): Promise<void> }> {
  const server = await startPostgres({
    folder,
    settings: { max_connections: '300', fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' },
  });
  try {
    await createTemplate(server.url);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return { url: server.url, template: TEMPLATE, stop: server.stop };
}
