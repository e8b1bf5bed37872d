import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectDatabase, type Database } from '../../db/client.ts';
import { createKeys, type Keys } from '../../db/keys.ts';
import type { Key } from '../../lib/key.ts';
import { createSeal } from '../../lib/seal.ts';
import { createDatabase } from '../support/database.ts';
import { waitFor } from '../support/process.ts';
import { startProxy } from '../support/proxy.ts';

const seal = createSeal([randomBytes(16).toString('hex')], 'signing-secret');
const failOnError = (error: Error) => {
  throw error;
};

let database: Database;
let keys: Keys;

beforeAll(async () => {
  const { url } = await createDatabase();
  database = connectDatabase(url, { maximum: 8, onError: failOnError });
  keys = createKeys(database, seal);
});

afterAll(() => database.$client.end());

async function keyOf(apiKey: string, by = keys): Promise<Key | null> {
  const stored = await by.find(apiKey);
  return stored && (await by.describe(stored));
}

test('an unknown key is null, and so is what no key looks like', async () => {
  expect(await keys.find('0'.repeat(32))).toBeNull();
  expect(await keys.find('')).toBeNull();
});

test('many at once get each their own', async () => {
  const made = await Promise.all(Array.from({ length: 8 }, () => keys.generate()));
  const asked = Array.from({ length: 200 }, (_, index) => made[index % made.length]?.apiKey ?? '');
  asked[77] = 'f'.repeat(32);
  const found = await Promise.all(asked.map((apiKey) => keys.find(apiKey)));
  const ids = await Promise.all(made.map(async ({ apiKey }) => (await keys.get(apiKey))?.id));
  for (const [index, stored] of found.entries()) {
    expect(stored?.id).toBe(index === 77 ? undefined : ids[index % made.length]);
  }
});

test('a lost connection fails those whose query it carried, and the next one asks anew', async () => {
  const { url } = await createDatabase();
  const lost: Error[] = [];
  const pool = connectDatabase(url, { maximum: 4, onError: (error) => lost.push(error) });
  const own = createKeys(pool, seal);
  const { apiKey } = await own.generate();
  // One transaction sees the activity always as at its first look: another connection watches.
  const [holder, watcher] = [new pg.Client(url), new pg.Client(url)];
  await Promise.all([holder.connect(), watcher.connect()]);
  try {
    await holder.query('BEGIN; LOCK TABLE dokku_api.keys IN ACCESS EXCLUSIVE MODE');
    const blocked =
      "SELECT pid, query FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    const count = async () => (await watcher.query(blocked)).rowCount;
    const asked = [own.find(apiKey)];
    await waitFor(async () => (await count()) === 1, { describe: 'a query that waits', timeout: 1500 });
    asked.push(own.find(apiKey));
    await waitFor(async () => (await count()) === 2, { describe: 'two queries that wait', timeout: 1500 });
    asked.push(...Array.from({ length: 7 }, () => own.find(apiKey)));
    const settled = Promise.allSettled(asked);
    await watcher.query(`SELECT pg_terminate_backend(pid) FROM (${blocked}) AS waiting`);
    await waitFor(async () => (await count()) === 1, { describe: 'one query for the other seven', timeout: 1500 });
    await holder.query('ROLLBACK');
    const results = (await settled).map(({ status }) => status);
    expect(results.filter((status) => status === 'rejected')).toHaveLength(2);
    expect(results.slice(2)).toEqual(Array(7).fill('fulfilled'));
    expect((await own.find(apiKey))?.usable).toBe(true);
    expect(lost.filter(({ message }) => !/terminat/.test(message))).toEqual([]);
  } finally {
    await Promise.all([holder.end(), watcher.end()]);
    await pool.$client.end();
  }
});

test('no look-up shares the answer of a query that was sent before it', async () => {
  const { url } = await createDatabase();
  const proxy = await startProxy({ target: url });
  const direct = connectDatabase(url, { maximum: 1, onError: failOnError });
  const pool = connectDatabase(proxy.url(url), { maximum: 2, onError: failOnError });
  try {
    const own = createKeys(pool, seal);
    const { apiKey } = await own.generate();
    // Two connections that are made.
    await Promise.all([pool.$client.query('select 1'), pool.$client.query('select 1')]);
    let answers = 0;
    let release: () => void = () => undefined;
    const released = new Promise<undefined>((resolve) => {
      release = () => resolve(undefined);
    });
    proxy.onData('toClient', () => {
      answers += 1;
      return released;
    });
    const before = own.find(apiKey);
    await waitFor(() => answers === 1, { describe: 'the answer of Postgres' });
    await createKeys(direct, seal).delete(apiKey);
    const after = [own.find(apiKey), own.find(apiKey), own.find(apiKey)];
    release();
    expect((await before)?.usable).toBe(true);
    expect((await Promise.all(after)).map((stored) => stored?.usable)).toEqual([false, false, false]);
  } finally {
    await Promise.all([pool.$client.end(), direct.$client.end()]);
  }
});

test('a row that was changed is described anew, and one that was not is asked for no more', async () => {
  const { apiKey, publicId } = await keys.generate({ rules: ['apps:list'] });
  const own = createKeys(database, seal);
  const first = await keyOf(apiKey, own);
  expect(first?.rules).toEqual(['apps:list']);
  expect(await keyOf(apiKey, own)).toBe(first);
  await database.$client.query("UPDATE dokku_api.keys SET rules = '{ps:report}' WHERE public_id = $1", [publicId]);
  expect((await keyOf(apiKey, own))?.rules).toEqual(['ps:report']);
});
