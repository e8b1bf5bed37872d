import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectDatabase, type Database } from '../../db/client.ts';
import { createCommandLookup } from '../../db/command-lookup.ts';
import { createKeys } from '../../db/keys.ts';
import { createSeal } from '../../lib/seal.ts';
import { createDatabase } from '../support/database.ts';

const seal = createSeal([randomBytes(16).toString('hex')], 'signing-secret');

let database: Database;

beforeAll(async () => {
  const { url } = await createDatabase();
  database = connectDatabase(url, {
    maximum: 4,
    onError: (error) => {
      throw error;
    },
  });
  await createKeys(database, seal).generate();
});

afterAll(() => database.$client.end());

async function store(outputBytes: number): Promise<string> {
  const token = randomBytes(32).toString('hex');
  await database.$client.query(
    `insert into dokku_api.commands (token, server, command, state, ok, output, timeout_seconds, key_id, created_by, owner,
      started_at, ran_at)
    select $1, 'default', 'logs shop', 'succeeded', true, repeat('x', $2), 600, id, public_id, owner, now(), now()
    from dokku_api.keys`,
    [token, outputBytes],
  );
  return token;
}

test('many at once get each their own, be it large or not there', async () => {
  const small = await Promise.all(Array.from({ length: 20 }, (_, at) => store(at)));
  const large = await Promise.all(Array.from({ length: 3 }, (_, at) => store(8_000_000 + at)));
  const unknown = Array.from({ length: 20 }, () => randomBytes(32).toString('hex'));
  const find = createCommandLookup(database);
  const asked = [...small, ...small, ...unknown, ...large];
  const found = await Promise.all(asked.map(find));
  const lengths = found.map((row) => row?.output?.length ?? null);
  expect(found.map((row) => row?.token)).toEqual([...small, ...small, ...unknown.map(() => undefined), ...large]);
  expect(lengths.slice(0, 20)).toEqual(Array.from({ length: 20 }, (_, at) => at));
  expect(lengths.slice(-3)).toEqual([8_000_000, 8_000_001, 8_000_002]);
});

test('what is asked for while another look is under way is seen as it is then', async () => {
  const find = createCommandLookup(database);
  const looks = Array.from({ length: 10 }, () => find(randomBytes(32).toString('hex')));
  const token = await store(1);
  expect(await find(token)).toMatchObject({ token, output: 'x' });
  expect(await Promise.all(looks)).toEqual(looks.map(() => null));
});
