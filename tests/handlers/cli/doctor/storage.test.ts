import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectDatabase, type Database } from '../../../../db/client.ts';
import { commands } from '../../../../db/schema.ts';
import { diagnose } from '../../../../handlers/cli/doctor/diagnose.ts';
import { remediesFor } from '../../../../handlers/cli/doctor/remedies.ts';
import { checkStorage } from '../../../../handlers/cli/doctor/storage.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { fillDisk } from '../../../support/full-disk.ts';
import { startOwnPostgres } from '../../../support/own-postgres.ts';
import { query } from '../../../support/query.ts';
import { remedyIn } from './patient.ts';

const remedies = remediesFor('host');
let target: TestDatabase;
const open: Database[] = [];

function connect(url: string): Database {
  const database = connectDatabase(url, { maximum: 1, onError: () => undefined });
  open.push(database);
  return database;
}

async function look(url: string): Promise<string> {
  const { status, says, ...rest } = await checkStorage(connect(url), remedies);
  return `${status}: ${says}${'remedy' in rest ? ` → ${rest.remedy}` : ''}`;
}

/** Runs what a remedy has psql run, each by itself in one session. */
async function typeIntoPsql(remedy: string): Promise<void> {
  const session = connect(target.url);
  for (const [, statement = ''] of remedy.matchAll(/-c '(.*?)'/g)) await session.execute(statement);
}

beforeAll(async () => {
  target = await createDatabase();
});

afterAll(async () => {
  for (const { $client } of open) await $client.end();
});

test('what is stored is taken back', async () => {
  expect(await look(target.url)).toBe('ok: a command would be stored');
  expect(await connect(target.url).select().from(commands)).toEqual([]);
});

test('a database that was made read-only, until its remedy is typed', async () => {
  await query(target.url, `alter database ${target.name} set default_transaction_read_only = on`);
  const found = await look(target.url);
  expect(found).toMatch(/^failed: Postgres was made read-only: no command is accepted → psql /);
  await typeIntoPsql(remedyIn(found));
  expect(await look(target.url)).toBe('ok: a command would be stored');
});

test('a user who may not write, until its remedy is typed', async () => {
  const reader = `reader_${target.name}`;
  await query(
    target.url,
    `create role ${reader} login password 'reading'; grant usage on schema dokku_api to ${reader}`,
  );
  const url = new URL(target.url);
  url.username = reader;
  url.password = 'reading';
  const found = await look(url.href);
  expect(found).toMatch(/^failed: permission denied for table commands → psql /);
  await typeIntoPsql(remedyIn(found));
  expect(await look(url.href)).toBe('ok: a command would be stored');
  await query(target.url, `drop owned by ${reader}; drop role ${reader}`);
});

test('a full disk, in the place of the check among the others', async () => {
  const postgres = await startOwnPostgres();
  const { makeRoom } = await fillDisk(postgres);
  const findings = await diagnose({
    environment: {
      DATABASE_URL: postgres.url,
      REDIS_URL: 'redis://127.0.0.1:9',
      SECRET_KEY: 'x'.repeat(32),
      DOKKU_DAEMON_SOCKET: '/no/such.sock',
    },
    place: 'host',
  });
  expect(findings.filter(({ check }) => ['Postgres', 'migrations'].includes(check))).toMatchObject([
    { status: 'ok' },
    { status: 'ok' },
  ]);
  expect(findings.find(({ check }) => check === 'storage')).toEqual({
    check: 'storage',
    status: 'failed',
    says: 'the disk of Postgres is full: no command is accepted, and no result stored',
    remedy: 'df -h (on the host of Postgres; it shows what is full: free some of it)',
  });
  await makeRoom();
  expect(await look(postgres.url)).toBe('ok: a command would be stored');
});
