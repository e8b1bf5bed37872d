import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readTime } from '../../db/time-text.ts';
import { createDatabase } from '../support/database.ts';

let client: pg.Client;

beforeAll(async () => {
  const { url } = await createDatabase();
  client = new pg.Client({ connectionString: url, types: { getTypeParser: () => (text: string) => text } as never });
  await client.connect();
});

afterAll(async () => await client.end());

test.for(['UTC', 'Asia/Kolkata', 'America/St_Johns'])('reads what Postgres writes in a session of %s', async (zone) => {
  await client.query(`set time zone '${zone}'`);
  const { rows } = await client.query<{ text: string; milliseconds: string }>(`
    select time::timestamptz(3)::text as text, (extract(epoch from time::timestamptz(3)) * 1000)::bigint::text as milliseconds
    from unnest(array['1970-01-01 00:00:00Z', '1969-12-31 23:59:59.999Z', '2024-02-29 23:59:59.5Z', '2024-03-01 00:00:00.05Z',
      '2024-03-01 12:34:56.789Z', '9999-12-31 12:59:59.999Z']::timestamptz[]) as time`);
  for (const { text, milliseconds } of rows)
    expect([text, readTime(text).getTime()]).toEqual([text, Number(milliseconds)]);
});
