/** The migrations in `migrations/`, made by drizzle-kit, and how they are applied while the version before is running. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { ownFile } from '../lib/package.ts';
import { databaseErrorCode } from './client.ts';

const ownFolder = ownFile('db/migrations');

/** The first line of a migration whose statements cannot be undone together, as an index that is made CONCURRENTLY. */
const oneByOne = '-- one by one';
const breakpoint = '--> statement-breakpoint';

/** Whoever waits for a lock makes others wait behind it: for no longer than they bear. */
const lockTimeoutMs = 1000;
const triesAtMost = 60;
const lockNotAvailable = '55P03';

type Entry = { tag: string; when: number };
type Migration = Entry & { text: string };

function readJournal(folder: string): Entry[] {
  const text = readFileSync(join(folder, 'meta', '_journal.json'), 'utf8');
  return (JSON.parse(text) as { entries: Entry[] }).entries;
}

/** The newest migration that this version knows, as the millisecond that drizzle-kit named it by. */
export function newestMigration(): number {
  return Math.max(...readJournal(ownFolder).map(({ when }) => when));
}

/**
 * Applies what is pending, in order: all of it or nothing, but for migrations that are to be applied one statement at a
 * time. Interrupted, it is completed by the next call.
 * @param client for whom no other process applies migrations meanwhile
 */
export async function applyMigrations(client: pg.ClientBase, folder = ownFolder): Promise<void> {
  await client.query('CREATE SCHEMA IF NOT EXISTS dokku_api');
  await client.query(
    'CREATE TABLE IF NOT EXISTS dokku_api.migrations (id serial PRIMARY KEY, hash text NOT NULL, created_at bigint)',
  );
  const { rows } = await client.query<{ newest: string | null }>(
    'SELECT max(created_at) AS newest FROM dokku_api.migrations',
  );
  const newest = Number(rows[0]?.newest ?? 0);
  const pending = readJournal(folder)
    .filter(({ when }) => when > newest)
    .map((entry) => ({ ...entry, text: readFileSync(join(folder, `${entry.tag}.sql`), 'utf8') }));
  for (const step of stepsOf(pending)) {
    if (step.oneByOne) await apply(client, step.migrations);
    else await applyTogether(client, step.migrations);
  }
}

type Step = { oneByOne: boolean; migrations: Migration[] };

function stepsOf(pending: readonly Migration[]): Step[] {
  const steps: Step[] = [];
  for (const migration of pending) {
    const isOneByOne = migration.text.startsWith(oneByOne);
    const last = steps.at(-1);
    if (last && !last.oneByOne && !isOneByOne) last.migrations.push(migration);
    else steps.push({ oneByOne: isOneByOne, migrations: [migration] });
  }
  return steps;
}

async function applyTogether(client: pg.ClientBase, migrations: readonly Migration[]): Promise<void> {
  for (let tries = 1; ; tries++) {
    await client.query(`BEGIN; SET LOCAL lock_timeout = ${lockTimeoutMs}`);
    try {
      await apply(client, migrations);
      await client.query('COMMIT');
      return;
    } catch (error) {
      const isLocked = error instanceof Error && databaseErrorCode(error.cause) === lockNotAvailable;
      if (!isLocked || tries === triesAtMost) throw error;
      await client.query('ROLLBACK');
      await sleep(lockTimeoutMs);
    }
  }
}

async function apply(client: pg.ClientBase, migrations: readonly Migration[]): Promise<void> {
  for (const { tag, when, text } of migrations) {
    for (const statement of text.split(breakpoint)) {
      await client.query(statement).catch((cause: unknown) => {
        throw new Error(`migration ${tag}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
      });
    }
    await client.query('INSERT INTO dokku_api.migrations (hash, created_at) VALUES ($1, $2)', [
      createHash('sha256').update(text).digest('hex'),
      when,
    ]);
  }
}
