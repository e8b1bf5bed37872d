import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll } from 'vitest';
import { runService } from './run-service.ts';

/** A database of its own for a test file, with the migrations applied. */
export interface TestDatabase {
  url: string;
  name: string;
  /** Ends whatever is connected and removes the database; done after the file in any case. */
  drop(): Promise<void>;
}

const open = new Set<TestDatabase>();

afterAll(async () => {
  for (const database of open) await database.drop();
});

/** A pool that has ended still closes its connections: one that is ended by force would tell its listeners of an error. */
const closeWithinMs = 500;

/** Until Postgres has let all connections to a database go, or does not for a while. */
async function untilLeft(url: string, name: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const connected = async () =>
      (await client.query('SELECT FROM pg_stat_activity WHERE datname = $1', [name])).rowCount !== 0;
    for (const began = performance.now(); performance.now() - began < closeWithinMs && (await connected()); );
  } finally {
    await client.end();
  }
}

async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

/** Clones the run's migrated template. */
export async function createDatabase(): Promise<TestDatabase> {
  const postgres = await runService('postgres');
  const name = `test_${randomBytes(8).toString('hex')}`;
  await administer(postgres.url, `CREATE DATABASE ${name} TEMPLATE ${postgres.template}`);
  const url = new URL(postgres.url);
  url.pathname = `/${name}`;
  const database: TestDatabase = {
    url: url.href,
    name,
    drop: async () => {
      await untilLeft(postgres.url, name);
      await administer(postgres.url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      open.delete(database);
    },
  };
  open.add(database);
  return database;
}
