/** Deploys: migrations under load, replicas of two versions beside each other, and what a migration may do. */
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate } from 'drizzle-orm/node-postgres/migrator';
import pg from 'pg';
import { expect, inject, test } from 'vitest';
import type { WireCommand } from '../../lib/command.ts';
import { createDatabase } from '../support/database.ts';
import { createInstallation, type Web } from '../support/installation.ts';
import { startProcess, waitFor } from '../support/process.ts';
import { query } from '../support/query.ts';
import { Replicas } from '../support/replicas.ts';
import type { StandIn } from '../support/stand-in.ts';
import { storedIn } from '../support/stored.ts';

const migrationsFolder = fileURLToPath(new URL('../../db/migrations', import.meta.url));

type Journal = { entries: { tag: string; when: number }[] };
const journalOf = (folder: string) => join(folder, 'meta', '_journal.json');
const readJournal = () => JSON.parse(readFileSync(journalOf(migrationsFolder), 'utf8')) as Journal;

async function emptyDatabase(): Promise<string> {
  const { url } = await createDatabase();
  await query(url, 'DROP SCHEMA dokku_api CASCADE');
  return url;
}

/** Applies the first `count` migrations, as the version that had no more did. */
async function migrateTo(url: string, count: number): Promise<void> {
  const folder = mkdtempSync(join(inject('runFolder'), 'migrations-'));
  cpSync(migrationsFolder, folder, { recursive: true });
  const journal = readJournal();
  writeFileSync(journalOf(folder), JSON.stringify({ ...journal, entries: journal.entries.slice(0, count) }));
  const client = new pg.Client(url);
  await client.connect();
  try {
    await migrate(drizzle({ client }), {
      migrationsFolder: folder,
      migrationsSchema: 'dokku_api',
      migrationsTable: 'migrations',
    });
  } finally {
    await client.end();
  }
}

/** Two release processes at the same time; both must end well. */
async function releaseTwice(env: Record<string, string>): Promise<void> {
  const releases = [1, 2].map(() => startProcess({ script: 'db/migrate.ts', env }));
  for (const release of releases) {
    expect(await release.exit, release.stderr()).toEqual({ code: 0, signal: null });
    expect(release.stdout()).toContain('Migrations are applied.');
  }
}

const applied = async (url: string) =>
  (await query(url, 'SELECT created_at FROM dokku_api.migrations ORDER BY created_at')).map((row) =>
    Number(row.created_at),
  );

test('two releases at once, on a database without a table: each migration is applied once', async () => {
  const url = await emptyDatabase();
  await releaseTwice({ DATABASE_URL: url, SECRET_KEY: 'k'.repeat(32) });
  expect(await applied(url)).toEqual(readJournal().entries.map(({ when }) => when));
});

test('a release under load, twice at once, and replicas of both versions: no command fails, all run once, in order', async () => {
  const { entries } = readJournal();
  const databaseUrl = await emptyDatabase();
  await migrateTo(databaseUrl, Math.max(1, entries.length - 1));
  const installation = await createInstallation({ databaseUrl });
  const daemon = installation.daemons.get('default') as StandIn;
  const stored = storedIn(installation.database);
  const replicas = new Replicas(installation);
  const [oldWeb] = await Promise.all([installation.startWeb(), replicas.fill(2)]);
  const oldReplicas = replicas.alive;
  await replicas.owner();

  // As the proxy before the web processes, which is told of the new one before the old one is stopped.
  let web: Web = oldWeb;
  const accepted: WireCommand[] = [];
  const posting = { on: true };
  const clients = [1, 2, 3].map(async (client) => {
    const own: number[] = [];
    for (let number = 0; posting.on; number++) {
      const command = await web.accept({ cmd: `config:set api CLIENT_${client}=${number}` });
      own.push(command.id);
      accepted.push(command);
      // Waits for some of them, so that the queue stays short.
      if (number % 4 === 3) {
        await waitFor(async () => (await stored.command(command.token)).ranAt, { describe: 'it to be final' });
      }
    }
    expect(own).toEqual([...own].sort((a, b) => a - b));
  });
  const acceptMore = async (count: number) => {
    const enough = accepted.length + count;
    await Promise.race([
      waitFor(() => accepted.length >= enough, { timeout: 20_000, describe: `${count} more commands` }),
      Promise.all(clients),
    ]);
  };

  await acceptMore(20);
  await releaseTwice(installation.env);
  expect(await applied(databaseUrl)).toEqual(entries.map(({ when }) => when));
  await acceptMore(20);
  const [newWeb] = await Promise.all([installation.startWeb(), replicas.start()]);
  await acceptMore(20);
  web = newWeb;
  for (const { process } of [oldWeb, ...oldReplicas]) {
    process.signal('SIGTERM');
    process.signal('SIGTERM');
  }
  for (const { process } of [oldWeb, ...oldReplicas]) expect(await process.exit).toEqual({ code: 0, signal: null });
  await acceptMore(20);
  posting.on = false;
  await Promise.all(clients);

  for (const { token } of accepted) {
    expect(await newWeb.final(token)).toMatchObject({ state: 'succeeded', late_result_data: null });
  }
  const runs = daemon.runs().filter(({ line }) => line.includes('CLIENT_'));
  const inOrder = [...accepted].sort((a, b) => a.id - b.id);
  expect(runs.map(({ line }) => line)).toEqual(inOrder.map(({ command }) => command));
  for (const [index, run] of runs.entries()) expect(run.startedAt >= (runs[index - 1]?.endedAt ?? 0n)).toBe(true);
});

/** What the version before cannot bear while it still runs: it reads and writes as it did. */
const breaking: [what: string, statement: RegExp][] = [
  ['drops a table or a column', /\bDROP (TABLE|COLUMN|SCHEMA|TYPE|VIEW)\b/i],
  ['renames', /\bRENAME (TO|COLUMN|TABLE)?\b/i],
  ['changes the type of a column', /\bALTER COLUMN\b[^;]*\b(SET DATA )?TYPE\b/i],
  ['asks for a value that is not written', /\bSET NOT NULL\b|\bADD COLUMN\b(?![^;]*\bDEFAULT\b)[^;]*\bNOT NULL\b/i],
  ['takes a default away', /\bDROP DEFAULT\b/i],
];

test('every migration but the first leaves the version before what it reads and writes', () => {
  const found = readJournal()
    .entries.slice(1)
    .flatMap(({ tag }) => {
      const statements = readFileSync(join(migrationsFolder, `${tag}.sql`), 'utf8').replaceAll(/--.*$/gm, '');
      return breaking.filter(([, statement]) => statement.test(statements)).map(([what]) => `${tag} ${what}`);
    });
  expect(found, 'take it out, and make it in a release after the one that no longer needs it').toEqual([]);
});
