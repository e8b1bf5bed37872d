/** What a key may hold open at once in a web process, so that none can have its memory. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { sql } from 'drizzle-orm';
import { beforeAll, describe, expect, test } from 'vitest';
import { type ClientKey, startWeb, type Web } from '../handlers/web.ts';
import { createDatabase } from '../support/database.ts';
import { waitFor } from '../support/process.ts';
import { startTestRedis } from '../support/redis.ts';

let web: Web;
let key: ClientKey;
let other: ClientKey;

beforeAll(async () => {
  const [database, redis] = await Promise.all([createDatabase(), startTestRedis()]);
  web = await startWeb({
    databaseUrl: database.url,
    redisUrl: redis.url,
    settings: { RATE_LIMIT: '1000000' },
    timing: { heartbeatMs: 500 },
  });
  [key, other] = [await web.key(), await web.key()];
});

/** Inserts commands that ended with an output of so many characters. */
async function insertEnded(count: number, characters: number): Promise<string[]> {
  const { rows } = await web.deps.database.execute<{ token: string }>(sql`insert into dokku_api.commands
    (token, server, command, state, ok, output, timeout_seconds, ran_at, key_id, created_by, owner)
    select md5(random()::text) || md5(random()::text), 'default', 'apps:list', 'succeeded', true,
      repeat('x', ${characters}::int), 600, now(), 1, 'key_test', 'default' from generate_series(1, ${count}::int)
    returning token`);
  return rows.map(({ token }) => token);
}

/** Opens requests whose answers are not read, and leaves them open. */
async function openUnread(path: string, count: number) {
  const leaving = new AbortController();
  const open = () => fetch(web.url + path, { headers: key.headers, signal: leaving.signal });
  // Kept, for an answer that nobody has is given up when memory is collected.
  const answers = await Promise.all(Array.from({ length: count }, open));
  return {
    statuses: () => answers.map(({ status }) => status),
    leave: () => leaving.abort(),
  };
}

const ask = (path: string, as = key) => fetch(web.url + path, { headers: as.headers });

async function expectBound(path: string, limit: number, askPath = path): Promise<void> {
  const opened = await openUnread(path, limit);
  expect(new Set(opened.statuses())).toEqual(new Set([200]));
  const refused = await ask(askPath);
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
  expect(await refused.json()).toMatchObject({
    code: 'rate_limited',
    detail: expect.stringContaining(`${limit} such`),
  });
  const others = new AbortController();
  const passed = await fetch(web.url + askPath, { headers: other.headers, signal: others.signal });
  expect(passed.status).toBe(200);
  others.abort();
  opened.leave();
  await waitFor(
    async () => {
      const left = new AbortController();
      const { status } = await fetch(web.url + askPath, { headers: key.headers, signal: left.signal });
      left.abort();
      return status === 200;
    },
    { describe: `${askPath} to be open to the key again` },
  );
}

describe('a key has at most', () => {
  test('16 streams of all commands', async () => {
    await expectBound('/events', 16);
  });

  test('8 lists under way, and pages count with them', async () => {
    await insertEnded(40, 500_000);
    await expectBound('/commands', 8, '/commands?limit=1');
  });

  test('8 large results under way, and small ones do not count', async () => {
    const [large = ''] = await insertEnded(1, 6_000_000);
    await expectBound(`/commands/${large}`, 8);
    const [small = ''] = await insertEnded(1, 10);
    const opened = await openUnread(`/commands/${large}`, 8);
    expect(opened.statuses()).toEqual(Array(8).fill(200));
    expect((await ask(`/commands/${small}`)).status).toBe(200);
    opened.leave();
  });
});

test('a connection that closes with answers in a row counts for none of them any more', async () => {
  const [large = ''] = await insertEnded(1, 6_000_000);
  const socket = connect(Number(new URL(web.url).port), '127.0.0.1');
  const head = `GET /commands/${large} HTTP/1.1\r\nHost: a\r\nApi-Key: ${key.apiKey}\r\nApi-Secret: ${key.apiSecret}\r\n\r\n`;
  socket.write(head.repeat(12));
  await once(socket, 'readable');
  await waitFor(async () => (await ask(`/commands/${large}`)).status === 429, { describe: 'the bound to be reached' });
  socket.destroy();
  const eightOpen = async (): Promise<boolean> => {
    const opened = await openUnread(`/commands/${large}`, 8);
    opened.leave();
    return opened.statuses().every((status) => status === 200);
  };
  await waitFor(eightOpen, { describe: 'eight to be open at once again' });
});
