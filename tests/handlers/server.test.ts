import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectDatabase, type Database } from '../../db/client.ts';
import { createKeys } from '../../db/keys.ts';
import { createSeal } from '../../lib/seal.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { freePort, startProcess, type TestProcess } from '../support/process.ts';
import { startTestRedis, type TestRedis } from '../support/redis.ts';
import { openEvents } from './event-reader.ts';

const secretKey = '0123456789abcdef0123456789abcdef';
const nowhere = {
  DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
  REDIS_URL: 'redis://127.0.0.1:1',
  SECRET_KEY: secretKey,
};

let database: TestDatabase;
let redis: TestRedis;
let connection: Database;
let headers: Record<string, string>;

beforeAll(async () => {
  [database, redis] = await Promise.all([createDatabase(), startTestRedis()]);
  connection = connectDatabase(database.url, { maximum: 2, onError: () => undefined });
  const key = await createKeys(connection, createSeal([secretKey], 'signing-secret')).generate();
  headers = { 'Api-Key': key.apiKey, 'Api-Secret': key.apiSecret };
});

afterAll(async () => {
  await connection.$client.end();
});

async function startServer(env: Record<string, string>): Promise<{ web: TestProcess; url: string }> {
  const web = startProcess({ script: 'handlers/server.ts', env: { HOST: '127.0.0.1', PORT: '0', ...env } });
  const { port } = await web.waitForLog(({ msg }) => msg === 'listening');
  return { web, url: `http://127.0.0.1:${port}` };
}

describe('the web process', () => {
  test('starts and says that it lives while Postgres and Redis are away', async () => {
    const { web, url } = await startServer(nowhere);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    const answer = await fetch(`${url}/commands`, { headers: { 'Api-Key': 'a'.repeat(32), 'Api-Secret': 'b' } });
    expect([answer.status, await answer.json()]).toEqual([
      503,
      expect.objectContaining({ code: 'database_unavailable' }),
    ]);
    web.signal('SIGTERM');
    expect(await web.exit).toEqual({ code: 0, signal: null });
  });

  test.each([
    [
      { DATABASE_URL: '' },
      'DATABASE_URL is missing: expected a URL such as postgres://user:password@host:5432/database',
    ],
    [
      { SECRET_KEY: 'short' },
      'SECRET_KEY is malformed: expected 32 or more random characters (while it is being changed: new,old)',
    ],
    [{ RETENTION_DAYS: '-1' }, 'RETENTION_DAYS is malformed: expected days from 0 (keep) to 36500'],
  ])('ends with one line where a setting is wrong: %j', async (env, line) => {
    const web = startProcess({ script: 'handlers/server.ts', env: { ...nowhere, ...env } });
    expect(await web.exit).toEqual({ code: 1, signal: null });
    expect([web.stdout(), web.stderr()]).toEqual(['', `${line}\n`]);
  });

  test('ends with one line where its port is taken', async () => {
    const other = createServer().listen(await freePort(), '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    const web = startProcess({
      script: 'handlers/server.ts',
      env: { ...nowhere, REDIS_URL: redis.url, HOST: '127.0.0.1', PORT: String(port) },
    });
    expect(await web.exit).toEqual({ code: 1, signal: null });
    expect(web.stdout()).toBe('');
    expect(web.stderr()).toBe(
      `Port ${port} of 127.0.0.1 is taken: stop what listens there, or set PORT to another one\n`,
    );
    other.close();
  });

  test('ends waits and streams with the present state at SIGTERM, whatever the number of signals', async () => {
    const { web, url } = await startServer({ ...nowhere, DATABASE_URL: database.url, REDIS_URL: redis.url });
    const posted = await fetch(`${url}/commands`, {
      method: 'POST',
      headers,
      body: new URLSearchParams({ cmd: 'apps:list' }),
    });
    const { token } = (await posted.json()) as { token: string };
    const waiting = fetch(`${url}/commands/${token}?wait=50`, { headers });
    const sync = fetch(`${url}/commands`, {
      method: 'POST',
      headers,
      body: new URLSearchParams({ cmd: 'apps:list', sync: 'true' }),
    });
    const streams = [
      await openEvents(`${url}/events`, headers),
      await openEvents(`${url}/commands/${token}/events`, headers),
    ];
    await streams[0]?.until(() => streams[0]?.events.length === 2 || streams[0]?.lastEventId !== '', 'the stream');
    await expect
      .poll(async () => ((await (await fetch(`${url}/commands`, { headers })).json()) as unknown[]).length)
      .toBe(2);
    web.signal('SIGTERM');
    web.signal('SIGTERM');
    web.signal('SIGINT');
    expect(await (await waiting).json()).toMatchObject({ token, state: 'queued' });
    expect(await (await sync).json()).toMatchObject({ state: 'queued' });
    for (const stream of streams) expect(await stream.end).toBe('complete');
    expect(await web.exit).toEqual({ code: 0, signal: null });
    await expect(fetch(`${url}/healthz`)).rejects.toThrow('fetch failed');
    expect(web.stderr()).toBe('');
  });
});
