import { randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterEach, describe, expect, test } from 'vitest';
import { createAccept } from '../../db/accept.ts';
import { connectDatabase } from '../../db/client.ts';
import { createCommandPages } from '../../db/command-pages.ts';
import { createCommands } from '../../db/commands.ts';
import { createLeases, type LeaseClaim } from '../../db/leases.ts';
import { migrationStatus } from '../../db/migration-status.ts';
import { migrate } from '../../db/release.ts';
import { applyMigrations } from '../../db/schema-migrations.ts';
import { createDatabase } from '../support/database.ts';
import { newCommand } from '../support/new-command.ts';
import { startProcess, type TestProcess, waitFor } from '../support/process.ts';

const migrations = fileURLToPath(new URL('../../db/migrations', import.meta.url));

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client(url);
  await client.connect();
  ends.push(() => client.end());
  return client;
}

/** An empty database, and a role that may create in it and is nobody else. */
async function emptyDatabase() {
  const { url } = await createDatabase();
  const name = `empty_${randomBytes(6).toString('hex')}`;
  const admin = await connect(url);
  await admin.query(`CREATE DATABASE ${name} TEMPLATE template0`);
  ends.push(async () => {
    // Postgres notices the end of a connection a moment later.
    await waitFor(() => admin.query(`DROP DATABASE ${name}`), { describe: 'the last connection to end' });
    await admin.query(`DROP ROLE IF EXISTS guest_${name}`);
  });
  const empty = new URL(url);
  empty.pathname = `/${name}`;
  return {
    url: empty.href,
    client: await connect(empty.href),
    async asGuest(): Promise<string> {
      await admin.query(`CREATE ROLE guest_${name} LOGIN PASSWORD 'guest'`);
      await admin.query(`GRANT CREATE ON DATABASE ${name} TO guest_${name}`);
      const guest = new URL(empty);
      [guest.username, guest.password] = [`guest_${name}`, 'guest'];
      return guest.href;
    },
  };
}

const startRelease = (url: string) => startProcess({ script: 'db/migrate.ts', env: { DATABASE_URL: url } });

async function tables(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    "SELECT relname AS name FROM pg_class WHERE relnamespace = to_regnamespace('dokku_api') AND relkind = 'r' ORDER BY 1",
  );
  return rows.map(({ name }) => name);
}

async function waitingForLock(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query(`SELECT 1 FROM pg_stat_activity WHERE application_name = 'dokku-api release'
    AND datname = current_database() AND wait_event_type = 'Lock'`);
  return rows.length > 0;
}

const journal = JSON.parse(readFileSync(join(migrations, 'meta', '_journal.json'), 'utf8')) as {
  entries: { tag: string }[];
};

async function expectMigrated(client: pg.Client): Promise<void> {
  expect(await tables(client)).toContain('ruby_imports');
  const { rows } = await client.query('SELECT count(*)::int FROM dokku_api.migrations');
  expect(rows).toEqual([{ count: journal.entries.length }]);
}

describe('release', () => {
  test('two at once both succeed, and each migration is applied once', async () => {
    const { url, client } = await emptyDatabase();
    const releases = [startRelease(url), startRelease(url)];
    for (const release of releases) {
      expect(await release.exit).toMatchObject({ code: 0 });
      expect(release.stdout()).toBe('Migrations are applied.\n');
    }
    await expectMigrated(client);
  });

  test('killed in the middle it leaves what was there, and the next one does it all', async () => {
    const { url, client } = await emptyDatabase();
    // Its own table, about to be made by somebody else, holds the release up after it made others.
    const other = await connect(url);
    await other.query('CREATE SCHEMA dokku_api');
    await other.query('BEGIN; CREATE TABLE dokku_api.leases ()');
    const release = startRelease(url);
    await waitFor(() => waitingForLock(client), { describe: 'the release to be held up', timeout: 20_000 });
    release.signal('SIGKILL');
    await release.exit;
    await other.query('ROLLBACK');
    await waitFor(async () => !(await waitingForLock(client)), { describe: 'the end of its statement' });
    expect(await tables(client)).toEqual(['migrations']);
    expect(await startRelease(url).exit).toMatchObject({ code: 0 });
    await expectMigrated(client);
  });

  test('waits for others in short turns, so that those behind it do not wait long', async () => {
    const { url, client } = await emptyDatabase();
    await migrate(url);
    const folder = withMigration('later', 'ALTER TABLE dokku_api.commands ADD COLUMN later integer');
    const reader = await connect(url);
    await reader.query('BEGIN; SELECT count(*) FROM dokku_api.commands');
    const released = applyMigrations(await connectAsRelease(url), folder);
    await waitFor(() => waitingForLock(client), { describe: 'the release to wait' });
    await client.query("SET lock_timeout = '2s'");
    await client.query('SELECT count(*) FROM dokku_api.commands');
    await reader.query('COMMIT');
    await released;
    await client.query('SELECT later FROM dokku_api.commands');
  });

  test('no command fails while a later version is released over this one', async () => {
    const { url } = await emptyDatabase();
    await migrate(url);
    const database = connectDatabase(url, { maximum: 6, onError: (error) => expect.unreachable(error.message) });
    ends.push(() => database.$client.end());
    const accept = createAccept(database);
    const commands = createCommands(database);
    const leases = createLeases(database);
    await leases.register({ id: 'before', servers: ['default', 'eu'], host: 'here', version: '1.0.0' });
    const seen = (await leases.observe(['default', 'eu'])).leases;
    let releasing = true;
    const finished: string[] = [];
    const work = async (lease: LeaseClaim) => {
      while (releasing) {
        await accept(newCommand({ server: lease.server, callbackUrl: 'https://receiver.example/' }), null);
        const claimed = await commands.claim(lease);
        if (claimed === null) throw new Error('what was accepted was not there to be claimed');
        const ended = await commands.finish(claimed.id, lease, {
          kind: 'reply',
          ok: true,
          output: '',
          truncated: false,
          durationMs: 1,
        });
        if (ended === null) throw new Error('what was claimed could not be ended');
        finished.push(ended.token);
      }
    };
    const running = seen.map(async (lease) => {
      const taken = await leases.take('before', lease);
      if (taken === null) throw new Error('the lease was not taken');
      await work(taken);
    });
    const folder = withMigration(
      'later',
      `ALTER TABLE dokku_api.commands ADD COLUMN starred boolean DEFAULT false NOT NULL;--> statement-breakpoint
       ALTER TABLE dokku_api.deliveries ADD COLUMN note text;--> statement-breakpoint
       CREATE TABLE dokku_api.notes (id bigint PRIMARY KEY REFERENCES dokku_api.commands (id))`,
    );
    await waitFor(() => finished.length >= 20, { describe: 'the version before to be at work' });
    await applyMigrations(await connectAsRelease(url), folder);
    const meanwhile = finished.length;
    await waitFor(() => finished.length >= meanwhile + 20, { describe: 'the version before to be still at work' });
    releasing = false;
    await Promise.all(running);
    expect(await migrationStatus(database)).toBe('newer');
  });

  test('a migration that fails says which it is and why, and nothing of it stays', async () => {
    const { url, client } = await emptyDatabase();
    await migrate(url);
    const folder = withMigration('wrong', 'CREATE TABLE dokku_api.half (); --> statement-breakpoint\nSELECT nothing');
    await expect(applyMigrations(await connect(url), folder)).rejects.toThrow(
      'migration 9999_wrong: column "nothing" does not exist',
    );
    expect(await tables(client)).not.toContain('half');
  });

  test('an index is made beside whoever writes, and again where it was left half made', async () => {
    const { url, client } = await emptyDatabase();
    await migrate(url);
    const folder = withMigration(
      'index',
      '-- one by one\nDROP INDEX CONCURRENTLY IF EXISTS dokku_api.later;--> statement-breakpoint\nCREATE INDEX CONCURRENTLY later ON dokku_api.commands (timeout_seconds);',
    );
    const writer = await connect(url);
    await writer.query('BEGIN');
    await writer.query(acceptSql);
    const release = await connectAsRelease(url);
    release.on('error', () => undefined);
    const { rows } = await release.query('SELECT pg_backend_pid() AS pid');
    const first = applyMigrations(release, folder).catch((error: unknown) => error);
    await waitFor(() => waitingForLock(client), { describe: 'the index to wait for the writer' });
    await client.query(acceptSql);
    await client.query('SELECT pg_terminate_backend($1)', [rows[0].pid]);
    expect(await first).toBeInstanceOf(Error);
    await writer.query('COMMIT');
    const isValid = async () =>
      (await client.query("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('dokku_api.later')")).rows;
    expect(await isValid()).toEqual([{ indisvalid: false }]);
    await applyMigrations(await connect(url), folder);
    expect(await isValid()).toEqual([{ indisvalid: true }]);
  });
});

const acceptSql = `INSERT INTO dokku_api.commands (token, server, command, timeout_seconds, key_id, created_by, owner)
  VALUES (gen_random_uuid()::text, 'default', 'apps:list', 60, 1, 'key_test', 'default')`;

async function connectAsRelease(url: string): Promise<pg.Client> {
  const client = await connect(url);
  await client.query("SET application_name = 'dokku-api release'");
  return client;
}

/** This version's migrations and one more. */
function withMigration(name: string, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'migrations-'));
  ends.push(() => rmSync(folder, { recursive: true }));
  cpSync(migrations, folder, { recursive: true });
  const entry = { tag: `9999_${name}`, when: Date.UTC(2100, 0) };
  writeFileSync(join(folder, `${entry.tag}.sql`), text);
  const entries = [...journal.entries, entry];
  writeFileSync(join(folder, 'meta', '_journal.json'), JSON.stringify({ ...journal, entries }));
  return folder;
}

describe('the index behind searches', () => {
  async function expectSearches(url: string): Promise<void> {
    const database = connectDatabase(url, { maximum: 1, onError: (error) => expect.unreachable(error.message) });
    ends.push(() => database.$client.end());
    await database.$client.query(acceptSql);
    const filter = { owner: null, text: 'apps:list' };
    const page = await createCommandPages(database).page({ filter, limit: 1, order: 'asc', after: null, before: null });
    expect(page.ids).toHaveLength(1);
  }

  async function hasIndex(client: pg.Client): Promise<boolean> {
    const { rows } = await client.query("SELECT to_regclass('dokku_api.commands_text') IS NOT NULL AS found");
    return rows[0].found;
  }

  async function released(process: TestProcess): Promise<string> {
    expect(await process.exit).toMatchObject({ code: 0 });
    return process.stderr();
  }

  test('is made by who is no superuser', async () => {
    const { client, asGuest } = await emptyDatabase();
    const url = await asGuest();
    expect(await released(startRelease(url))).toBe('');
    expect(await hasIndex(client)).toBe(true);
    await expectSearches(url);
  });

  test.each(['public', 'extensions', 'pg_catalog'])('is made where the extension is in %s already', async (schema) => {
    const { url, client } = await emptyDatabase();
    await client.query(`CREATE SCHEMA IF NOT EXISTS extensions; CREATE EXTENSION pg_trgm SCHEMA ${schema}`);
    expect(await released(startRelease(url))).toBe('');
    expect(await hasIndex(client)).toBe(true);
    await expectSearches(url);
  });

  test('is done without where the extension is forbidden or out of reach, and can be added later', async () => {
    const { client, asGuest } = await emptyDatabase();
    const url = await asGuest();
    await client.query('CREATE SCHEMA private; CREATE EXTENSION pg_trgm SCHEMA private');
    const warning = await released(startRelease(url));
    expect(warning).toContain('permission denied for schema private. Searches work without it, only slower.');
    expect(await hasIndex(client)).toBe(false);
    await expectSearches(url);
    await client.query('DROP EXTENSION pg_trgm');
    const statements = /as a superuser: (.*);\n$/.exec(warning)?.[1] ?? '';
    for (const statement of statements.split('; ')) await client.query(statement);
    expect(await hasIndex(client)).toBe(true);
    await expectSearches(url);
  });

  test('is done without where a host refuses the extension', async () => {
    const { url, client } = await emptyDatabase();
    await client.query(`CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE 'extensions are not allowed here'; END $$;
      CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('CREATE EXTENSION') EXECUTE FUNCTION refuse()`);
    expect(await released(startRelease(url))).toContain('extensions are not allowed here. Searches work without it');
    expect(await hasIndex(client)).toBe(false);
    await expectSearches(url);
  });
});
