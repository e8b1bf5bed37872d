import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { connectDatabase, type Database } from '../../../db/client.ts';
import { createKeys, type GeneratedKey, type Keys } from '../../../db/keys.ts';
import { authenticate } from '../../../handlers/middleware/authenticate.ts';
import { FailedAuthentications } from '../../../handlers/middleware/failed-authentications.ts';
import { createSeal } from '../../../lib/seal.ts';
import { createDatabase } from '../../support/database.ts';
import { freePort, waitFor } from '../../support/process.ts';
import { recordLog, serveBehind } from './server.ts';

const seal = createSeal([randomBytes(16).toString('hex')], 'signing-secret');
const unknown = { apiKey: '0'.repeat(32), apiSecret: '1'.repeat(32) };

let url: string;
let database: Database;
let keys: Keys;
/** Two web processes of one installation, each with connections of its own. */
let webs: [string, string];
let valid: GeneratedKey;

type Pair = Pick<GeneratedKey, 'apiKey' | 'apiSecret'>;
const headersOf = ({ apiKey, apiSecret }: Pair) => ({ 'api-key': apiKey, 'api-secret': apiSecret });
const statusOf = async (web: string, pair: Pair, headers: Record<string, string> = {}) =>
  (await fetch(web, { headers: { ...headersOf(pair), ...headers } })).status;

const pools: Database[] = [];
function connect(to = url, maximum = 4): Database {
  const pool = connectDatabase(to, { maximum, onError: () => undefined });
  pools.push(pool);
  return pool;
}

function serveAuthenticated(
  by: Keys,
  options: { now?: () => number; log?: ReturnType<typeof recordLog>; counted?: string[] } = {},
) {
  const { log } = options.log ?? recordLog();
  const rateLimiter = {
    count: async (name: string) => {
      options.counted?.push(name);
      return { used: 1, resetSeconds: 60 };
    },
  };
  return serveBehind(
    authenticate(
      { keys: by, config: { trustedProxies: 1 }, rateLimiter, now: options.now ?? (() => performance.now()), log },
      new FailedAuthentications(),
    ),
    (app) => app.all('*', (context) => context.json(context.var.key)),
    log,
  );
}

beforeAll(async () => {
  url = (await createDatabase()).url;
  database = connect();
  keys = createKeys(database, seal);
  webs = [await serveAuthenticated(createKeys(connect(), seal)), await serveAuthenticated(createKeys(connect(), seal))];
  valid = await keys.generate({ owner: 'shop' });
});

afterEach(() => {
  vi.useRealTimers();
});

afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.$client.end()));
});

describe('valid credentials', () => {
  test('give the handler their key', async () => {
    const answer = await fetch(webs[0], { headers: headersOf(valid) });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ publicId: valid.publicId, owner: 'shop', role: 'run' });
  });

  test('are counted during the look-up from the second time on; others of the same key are not', async () => {
    const counted: string[] = [];
    const web = await serveAuthenticated(keys, { counted });
    const other = await keys.generate();
    for (const _ of ['first', 'second', 'third']) expect(await statusOf(web, other)).toBe(200);
    expect(counted).toEqual([other.publicId, other.publicId]);
    expect(await statusOf(web, { ...other, apiSecret: '0'.repeat(32) })).toBe(401);
    expect(counted).toHaveLength(2);
    await keys.delete(other.apiKey);
    for (const _ of ['first', 'second', 'third']) expect(await statusOf(web, other)).toBe(401);
    // Once, before it was known; then it is as any that never was valid.
    expect(counted).toHaveLength(3);
  });

  test('are taken as Basic too', async () => {
    const authorization = `Basic ${Buffer.from(`${valid.apiKey}:${valid.apiSecret}`).toString('base64')}`;
    expect((await fetch(webs[0], { headers: { authorization } })).status).toBe(200);
  });
});

describe('every failure', () => {
  const failures: [string, () => Promise<Pair>][] = [
    ['an unknown key', async () => unknown],
    ['a wrong secret', async () => ({ ...valid, apiSecret: unknown.apiSecret })],
    ['a malformed key', async () => ({ apiKey: 'x', apiSecret: 'y' })],
    [
      'an expired key',
      async () => {
        const key = await keys.generate({ expiresAfterMs: 3_600_000 });
        await database.$client.query(
          "UPDATE dokku_api.keys SET expires_at = now() - interval '1 s' WHERE public_id = $1",
          [key.publicId],
        );
        return key;
      },
    ],
    [
      'a deleted key',
      async () => {
        const key = await keys.generate();
        await keys.delete(key.apiKey);
        return key;
      },
    ],
    [
      'a secret after its grace',
      async () => {
        const key = await keys.generate();
        await keys.rotate(key.apiKey, 0);
        return key;
      },
    ],
  ];

  test.each(failures)('%s has the one answer, after the one query', async (_, make) => {
    const pair = await make();
    const pool = connect();
    const web = await serveAuthenticated(createKeys(pool, seal));
    const query = vi.spyOn(pool.$client, 'query');
    const answer = await fetch(web, { headers: { ...headersOf(pair), 'x-request-id': 'same' } });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('ApiKey');
    expect(await answer.json()).toEqual({
      status: 'error',
      message: 'not_authenticated',
      code: 'not_authenticated',
      detail: 'Send the headers Api-Key and Api-Secret, with those of a key that is neither expired nor deleted.',
      request_id: 'same',
    });
    expect(query.mock.calls.map(([statement]) => (statement as { name?: string }).name)).toEqual(['find_keys']);
  });

  test('no credentials at all have the same answer', async () => {
    const none = await fetch(webs[0], { headers: { 'x-request-id': 'same' } });
    const wrong = await fetch(webs[0], { headers: { ...headersOf(unknown), 'x-request-id': 'same' } });
    expect(none.status).toBe(401);
    expect(none.headers.get('www-authenticate')).toBe('ApiKey');
    expect(await none.text()).toBe(await wrong.text());
  });
});

describe('felt at once by every web process', () => {
  test('a deletion', async () => {
    const key = await keys.generate();
    for (const web of webs) expect(await statusOf(web, key)).toBe(200);
    await keys.delete(key.apiKey);
    for (const web of webs) expect(await statusOf(web, key)).toBe(401);
  });

  test('a rotation without grace', async () => {
    const key = await keys.generate();
    for (const web of webs) expect(await statusOf(web, key)).toBe(200);
    const rotated = await keys.rotate(key.apiKey, 0);
    for (const web of webs) {
      expect(await statusOf(web, key)).toBe(401);
      expect(await statusOf(web, { ...key, apiSecret: rotated?.apiSecret ?? '' })).toBe(200);
    }
  });

  test('a deletion amid a stream of requests: none that came after it passes', async () => {
    const key = await keys.generate();
    let deleted = false;
    const seen = { before: 0, after: 0 };
    const ask = async () => {
      while (seen.after < 40) {
        const cameAfter = deleted;
        const status = await statusOf(webs[0], key, { 'x-forwarded-for': '192.0.2.77' });
        if (cameAfter) {
          expect([401, 429]).toContain(status);
          seen.after += 1;
        } else if (status === 200) seen.before += 1;
      }
    };
    const asking = Array.from({ length: 8 }, ask);
    await waitFor(() => seen.before > 40, { describe: 'requests that pass' });
    await keys.delete(key.apiKey);
    deleted = true;
    await Promise.all(asking);
    expect(seen.after).toBeGreaterThanOrEqual(40);
  });
});

describe('many failures from one address', () => {
  const failFrom = (web: string, address: string) => statusOf(web, unknown, { 'x-forwarded-for': address });

  test('are answered 429 with the time to wait, and valid credentials pass', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const web = await serveAuthenticated(keys);
    for (let count = 0; count < 20; count++) expect(await failFrom(web, '192.0.2.1')).toBe(401);
    const answer = await fetch(web, { headers: { ...headersOf(unknown), 'x-forwarded-for': '192.0.2.1' } });
    expect(answer.status).toBe(429);
    expect(await answer.json()).toMatchObject({ code: 'too_many_failed_attempts', status: 'error' });
    const wait = Number(answer.headers.get('retry-after'));
    expect(wait).toBeGreaterThan(0);
    expect(wait).toBeLessThanOrEqual(60);

    expect(await statusOf(web, valid, { 'x-forwarded-for': '192.0.2.1' })).toBe(200);
    expect(await failFrom(web, '192.0.2.2')).toBe(401);
    expect((await fetch(web, { headers: { 'x-forwarded-for': '192.0.2.1' } })).status).toBe(401);

    vi.setSystemTime(Date.now() + wait * 1000);
    expect(await failFrom(web, '192.0.2.1')).toBe(401);
  });

  test('are counted for a whole /64, in whichever way it is written, and not for the one beside it', async () => {
    const web = await serveAuthenticated(keys);
    for (let count = 0; count < 20; count++) expect(await failFrom(web, `2001:db8:0:1::${count}`)).toBe(401);
    expect(await failFrom(web, '2001:0DB8:0000:0001:ffff:ffff:ffff:ffff')).toBe(429);
    expect(await failFrom(web, '2001:db8:0:2::1')).toBe(401);
  });

  test('what a client writes into X-Forwarded-For itself does not count', async () => {
    const web = await serveAuthenticated(keys);
    for (let count = 0; count < 20; count++) {
      expect(await failFrom(web, `198.51.100.${count}, 192.0.2.9`)).toBe(401);
    }
    expect(await failFrom(web, '203.0.113.1, 192.0.2.9')).toBe(429);
  });
});

describe('last use', () => {
  const lastUsed = async (key: GeneratedKey) => (await keys.get(key.apiKey))?.lastUsedAt ?? null;

  test('is stored at the first request, and once a minute after it', async () => {
    const key = await keys.generate();
    let time = 0;
    const touch = vi.spyOn(keys, 'touch');
    const web = await serveAuthenticated(keys, { now: () => time });
    expect(await statusOf(web, key)).toBe(200);
    await waitFor(() => lastUsed(key), { describe: 'the time of last use' });
    time = 59_999;
    expect(await statusOf(web, key)).toBe(200);
    expect(touch).toHaveBeenCalledTimes(1);
    time = 60_000;
    expect(await statusOf(web, key)).toBe(200);
    expect(touch).toHaveBeenCalledTimes(2);
  });

  test("stands in no request's way, and what keeps it from being stored is logged", async () => {
    const key = await keys.generate();
    const log = recordLog();
    const web = await serveAuthenticated(keys, { log });
    const holder = new pg.Client(url);
    await holder.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('SELECT 1 FROM dokku_api.keys WHERE public_id = $1 FOR UPDATE', [key.publicId]);
      expect(await statusOf(web, key)).toBe(200);
      expect(log.entries).toEqual([]);
      const [entry] = await waitFor(() => log.entries.length > 0 && log.entries, { describe: 'the warning' });
      expect(entry).toMatchObject({ code: '55P03', msg: 'the time of last use of a key was not stored' });
    } finally {
      await holder.end();
    }
  });
});

test('with Postgres away nobody is told that their credentials are wrong', async () => {
  const away = connect(`postgres://nobody@127.0.0.1:${await freePort()}/x`);
  const web = await serveAuthenticated(createKeys(away, seal));
  for (const pair of [valid, unknown]) {
    const answer = await fetch(web, { headers: headersOf(pair) });
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).not.toBeNull();
    expect(await answer.json()).toMatchObject({ code: 'database_unavailable' });
  }
});
