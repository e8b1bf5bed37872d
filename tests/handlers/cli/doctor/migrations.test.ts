import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectDatabase, type Database } from '../../../../db/client.ts';
import { checkMigrations } from '../../../../handlers/cli/doctor/migrations.ts';
import { remediesFor } from '../../../../handlers/cli/doctor/remedies.ts';
import { createDatabase } from '../../../support/database.ts';
import { startProcess } from '../../../support/process.ts';
import { remedyIn } from './patient.ts';

let migrated: string;
const role = `guest_${randomBytes(4).toString('hex')}`;
const empty = `empty_${randomBytes(4).toString('hex')}`;
const opened: Database[] = [];

beforeAll(async () => {
  migrated = (await createDatabase()).url;
  await administer(
    migrated,
    `CREATE DATABASE ${empty} TEMPLATE template0`,
    `CREATE ROLE ${role} LOGIN PASSWORD 'guest'`,
  );
});

afterAll(async () => {
  for (const database of opened) await database.$client.end();
  await administer(migrated, `DROP DATABASE ${empty} WITH (FORCE)`, `DROP OWNED BY ${role}`, `DROP ROLE ${role}`);
});

async function administer(url: string, ...statements: string[]): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
}

function as(user: string, name?: string): string {
  const url = new URL(migrated);
  if (user !== 'postgres') [url.username, url.password] = [user, 'guest'];
  if (name !== undefined) url.pathname = `/${name}`;
  return url.href;
}

async function look(url: string): Promise<string> {
  const database = connectDatabase(url, { maximum: 1, onError: () => undefined });
  opened.push(database);
  const [finding] = (await checkMigrations(database, remediesFor('host'))).findings;
  if (finding === undefined) throw new Error('the check found nothing, not even that all is well');
  return `${finding.status}: ${finding.says}${'remedy' in finding ? ` → ${finding.remedy}` : ''}`;
}

/** The statements that a `psql … -c '…'` line runs. */
function statementsIn(remedy: string): string {
  return /-c '(.+)'$/.exec(remedy)?.[1] ?? '';
}

async function migrate(url: string): Promise<void> {
  const process = startProcess({ script: 'db/migrate.ts', env: { DATABASE_URL: url } });
  expect(await process.exit).toMatchObject({ code: 0 });
}

test('all applied', async () => {
  expect(await look(migrated)).toBe('ok: all are applied');
});

test('pending, first for want of a privilege', async () => {
  const url = as(role, empty);
  const refused = await look(url);
  expect(refused).toBe(
    `failed: none is applied, and this user may not create the schema dokku_api → psql -U postgres -d ${empty} -c 'GRANT CREATE ON DATABASE ${empty} TO ${role}'`,
  );
  await administer(as('postgres', empty), statementsIn(remedyIn(refused)));
  expect(await look(url)).toBe(
    'failed: some are pending: the tables are not those of this version → npm run -s migrate',
  );
  await migrate(url);
  expect(await look(url)).toBe('ok: all are applied');
});

test('tables of another user', async () => {
  const url = as(role);
  const { pathname } = new URL(migrated);
  const refused = await look(url);
  expect(refused).toBe(
    `failed: permission denied for schema dokku_api → psql -U postgres -d ${pathname.slice(1)} -c 'GRANT USAGE ON SCHEMA dokku_api TO ${role}; GRANT ALL ON ALL TABLES IN SCHEMA dokku_api TO ${role}'`,
  );
  await administer(migrated, statementsIn(remedyIn(refused)));
  expect(await look(url)).toBe('ok: all are applied');
});

test('migrated by a newer version', async () => {
  await administer(
    migrated,
    "INSERT INTO dokku_api.migrations (hash, created_at) SELECT 'of a later version', max(created_at) + 1 FROM dokku_api.migrations",
  );
  expect(await look(migrated)).toBe(
    'warning: the database was migrated by a newer version than this one → git pull && npm ci && npm run build',
  );
  await administer(migrated, "DELETE FROM dokku_api.migrations WHERE hash = 'of a later version'");
  expect(await look(migrated)).toBe('ok: all are applied');
});
