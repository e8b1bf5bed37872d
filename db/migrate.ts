/** The `release` process: brings the database to this version's schema. Safe while the version before is running. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate as runMigrations } from 'drizzle-orm/node-postgres/migrator';
import pg from 'pg';
import { ConfigError, readConfig } from '../lib/config.ts';

const folder = fileURLToPath(new URL('./migrations', import.meta.url));
/** Any number that nothing else takes: several releases at once go one after the other. */
const lockKey = 7_236_519;

/** Applies every pending migration under a lock, without the time limits of the serving pools. */
export async function migrate(url: string): Promise<void> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    application_name: 'dokku-api release',
  });
  await client.connect();
  try {
    await client.query("SET client_min_messages = 'warning'");
    await client.query('SELECT pg_advisory_lock($1)', [lockKey]);
    await runMigrations(drizzle({ client }), {
      migrationsFolder: folder,
      migrationsSchema: 'dokku_api',
      migrationsTable: 'migrations',
    });
  } finally {
    await client.end();
  }
}

/** The newest migration that this version knows, as the millisecond that drizzle-kit named it by. */
export function newestMigration(): number {
  const journal = JSON.parse(readFileSync(join(folder, 'meta', '_journal.json'), 'utf8')) as {
    entries: { when: number }[];
  };
  return Math.max(...journal.entries.map((entry) => entry.when));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await migrate(readConfig(process.env, ['databaseUrl']).databaseUrl);
    console.log('Migrations are applied.');
  } catch (error) {
    const reason = error instanceof Error ? error.message || String(Reflect.get(error, 'code')) : String(error);
    console.error(
      error instanceof ConfigError
        ? reason
        : `Migrating failed: ${reason}. Check DATABASE_URL and that Postgres accepts connections.`,
    );
    process.exitCode = 1;
  }
}
