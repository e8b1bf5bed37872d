import { request } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { sql } from 'drizzle-orm';
import { beforeAll, describe, expect, test } from 'vitest';
import type { CommandRow } from '../../db/schema.ts';
import type { WireCommand } from '../../lib/command.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { startTestRedis, type TestRedis } from '../support/redis.ts';
import { type ClientKey, startWeb, type Web } from './web.ts';

let database: TestDatabase;
let redis: TestRedis;
let web: Web;
let key: ClientKey;

beforeAll(async () => {
  [database, redis] = await Promise.all([createDatabase(), startTestRedis()]);
  web = await startWeb({
    databaseUrl: database.url,
    redisUrl: redis.url,
    settings: { RATE_LIMIT: '100000' },
    timing: { syncBlankMs: 150 },
  });
  key = await web.key({ rateLimit: 1_000_000 });
});

async function accept(to = web): Promise<WireCommand> {
  const response = await fetch(`${to.url}/commands`, {
    method: 'POST',
    headers: key.headers,
    body: new URLSearchParams({ cmd: 'apps:list' }),
  });
  return (await response.json()) as WireCommand;
}

async function read(token: string, query = '', headers: Record<string, string> = {}, from = web): Promise<Response> {
  return await fetch(`${from.url}/commands/${token}${query}`, { headers: { ...key.headers, ...headers } });
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes that something still refers to. */
function memoryInUse(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** An answer as it comes in: when its headers did, and its body so far. */
type Incoming = {
  headers: Promise<{ status: number; buffering: unknown }>;
  body: () => string;
  end: Promise<string>;
  leave: () => void;
};

function postSync(to: Web, cmd: string): Incoming {
  let received = '';
  const outgoing = request(`${to.url}/commands`, {
    method: 'POST',
    headers: { ...key.headers, 'Content-Type': 'application/x-www-form-urlencoded' },
  });
  outgoing.end(`cmd=${cmd}&sync=true`);
  const { promise: headers, resolve: begun, reject: failed } = deferred<{ status: number; buffering: unknown }>();
  const { promise: end, resolve: ended } = deferred<string>();
  outgoing.once('error', failed);
  outgoing.once('response', (incoming) => {
    begun({ status: incoming.statusCode ?? 0, buffering: incoming.headers['x-accel-buffering'] });
    incoming.on('data', (chunk: Buffer) => {
      received += chunk.toString();
    });
    incoming.once('error', () => ended(received));
    incoming.once('end', () => ended(received));
  });
  return { headers, body: () => received, end, leave: () => outgoing.destroy() };
}

function deferred<Value>() {
  let settle: { resolve: (value: Value) => void; reject: (error: unknown) => void } | undefined;
  const promise = new Promise<Value>((resolve, reject) => {
    settle = { resolve, reject };
  });
  promise.catch(() => undefined);
  return {
    promise,
    resolve: (value: Value) => settle?.resolve(value),
    reject: (error: unknown) => settle?.reject(error),
  };
}

describe('GET with ?wait=', () => {
  test('is answered when the command becomes final, and not before', async () => {
    const times: number[] = [];
    for (let tries = 0; tries < 5; tries++) {
      const { token } = await accept();
      let answered = false;
      const answer = read(token, '?wait=50').finally(() => {
        answered = true;
      });
      const claimed = await web.claimOldest();
      await expect.poll(() => web.deps.waiters.size).toBe(1);
      expect(answered).toBe(false);
      const from = performance.now();
      await web.finish(claimed, { output: 'done' });
      const command = await (await answer).json();
      times.push(performance.now() - from);
      expect(command).toMatchObject({ token, state: 'succeeded', result_data: { ok: true, output: 'done' } });
    }
    // Told by Redis: the looks every 500 ms would hardly be so quick five times.
    expect(Math.max(...times)).toBeLessThan(250);
    expect(web.deps.waiters.size).toBe(0);
  });

  test('ends after its time with the state as it is', async () => {
    const { token } = await accept();
    const from = performance.now();
    expect(await (await read(token, '?wait=1')).json()).toMatchObject({ token, state: 'queued' });
    expect(performance.now() - from).toBeGreaterThan(950);
    expect(await (await read(token, '?wait=0')).json()).toMatchObject({ state: 'queued' });
    await web.runOldest({ output: '' });
  });

  test.each(['51', '-1', '1.5', 'x', '', '1&wait=2'])('of %j is 400', async (wait) => {
    const { token } = await accept();
    const response = await read(token, `?wait=${wait}`);
    expect([response.status, await response.json()]).toEqual([400, expect.objectContaining({ code: 'bad_query' })]);
    await web.runOldest({ output: '' });
  });

  test('ends when the client leaves', async () => {
    const { token } = await accept();
    const leaving = new AbortController();
    const answer = fetch(`${web.url}/commands/${token}?wait=50`, { headers: key.headers, signal: leaving.signal });
    await expect.poll(() => web.deps.waiters.size).toBe(1);
    leaving.abort();
    await expect(answer).rejects.toThrow('aborted');
    await expect.poll(() => web.deps.waiters.size).toBe(0);
    await web.runOldest({ output: '' });
  });

  test('holds a thousand clients on ten connections to Postgres, and wakes them all', async () => {
    const commands: WireCommand[] = [];
    for (let at = 0; at < 50; at++) commands.push(await accept());
    const answers = Array.from({ length: 1000 }, (_, at) => read(commands[at % 50]?.token ?? '', '?wait=50'));
    await expect.poll(() => web.deps.waiters.size, { timeout: 20_000 }).toBe(50);
    const { rows } = await web.deps.database.execute<{ count: number }>(
      sql`select count(*)::int as count from pg_stat_activity where datname = current_database()`,
    );
    expect(rows[0]?.count).toBeLessThanOrEqual(10);
    for (let at = 0; at < 50; at++) await web.runOldest({ output: String(at) });
    for (const answer of answers) expect((await answer).status).toBe(200);
    const last = (await (await read(commands[49]?.token ?? '')).json()) as WireCommand;
    expect(last.result_data?.output).toBe('49');
    expect(web.deps.waiters.size).toBe(0);
  }, 60_000);
});

test('a thousand waiters on results of 8 MB are told of them with few in memory at once', async () => {
  const outputBytes = 8 * 1024 * 1024;
  const { commands, database: ofWeb, waiters } = web.deps;
  const queued: CommandRow[] = [];
  for (let at = 0; at < 40; at++) {
    const row = await commands.findByToken((await accept()).token);
    if (row) queued.push(row);
  }
  const before = memoryInUse();
  let most = 0;
  const told = Array.from({ length: 1000 }, async (_, at) => {
    const row = queued[at % queued.length];
    if (row === undefined) throw new Error('nothing was accepted');
    const { output } = await waiters.wait(row, 'final', { timeoutMs: 50_000, signals: [] });
    if (at < queued.length) most = Math.max(most, memoryInUse() - before);
    return output?.length;
  });
  // In one transaction: all of them are there for one look.
  await ofWeb.execute(sql`update dokku_api.commands set state = 'succeeded', ok = true, ran_at = now(),
    output = repeat('x', ${outputBytes}), changed_in = pg_current_xact_id() where state = 'queued'`);
  expect(new Set(await Promise.all(told))).toEqual(new Set([outputBytes]));
  // One that is told, one that comes in, and what either was made from.
  expect(most).toBeLessThan(12 * outputBytes);
}, 60_000);

test('an end that was announced before somebody came to wait is seen at once', async () => {
  const { commands, waiters } = web.deps;
  const times: number[] = [];
  for (let tries = 0; tries < 5; tries++) {
    const row = await commands.findByToken((await accept()).token);
    if (row === null) throw new Error('nothing was accepted');
    const limits = { timeoutMs: 10_000, signals: [] };
    const [told] = await Promise.all([waiters.wait(row, 'final', limits), web.runOldest({ output: 'done' })]);
    const from = performance.now();
    expect(await waiters.wait(row, 'final', limits)).toEqual(told);
    times.push(performance.now() - from);
  }
  // The look at all that is waited for comes half a second after the first one waits.
  expect(Math.min(...times)).toBeLessThan(400);
});

describe('a result as plain text', () => {
  test('is the output alone, and 202 and empty while there is none', async () => {
    const { token } = await accept();
    const none = await read(token, '', { Accept: 'text/plain' });
    expect([none.status, none.headers.get('content-type'), await none.text()]).toEqual([
      202,
      'text/plain; charset=UTF-8',
      '',
    ]);
    await web.runOldest({ output: 'no such app\n\u001b[1m', ok: false });
    for (const accept of ['text/plain', 'text/plain, application/json;q=0.9', 'text/*']) {
      const response = await read(token, '', { Accept: accept });
      expect([accept, response.status, await response.text()]).toEqual([accept, 200, 'no such app\n\u001b[1m']);
      expect(response.headers.get('vary')).toContain('Accept');
    }
    for (const accept of ['*/*', 'application/json, text/plain, */*', 'text/html', 'text/plain;q=0.5, */*']) {
      const response = await read(token, '', { Accept: accept });
      expect([accept, response.headers.get('content-type')]).toEqual([accept, 'application/json']);
    }
  });
});

describe('POST with sync=true', () => {
  test('answers 200 with the finished command', async () => {
    const answer = postSync(web, 'ps:report');
    await expect.poll(() => web.deps.waiters.size).toBe(1);
    await web.runOldest({ output: 'up' });
    expect(await answer.headers).toEqual({ status: 200, buffering: undefined });
    expect(JSON.parse(await answer.end)).toMatchObject({
      command: 'ps:report',
      state: 'succeeded',
      result_data: { output: 'up' },
    });
  });

  test('sends its headers and blanks ahead of the JSON, as long as it lasts', async () => {
    const answer = postSync(web, 'ps:rebuild');
    // A proxy that collected the blanks would leave its client in silence.
    expect(await answer.headers).toEqual({ status: 200, buffering: 'no' });
    await expect.poll(answer.body).toMatch(/^ {3,}$/);
    await web.runOldest({ output: 'rebuilt' });
    const body = await answer.end;
    expect(body).toMatch(/^ +\{/);
    expect(JSON.parse(body)).toMatchObject({ state: 'succeeded' });
  });

  test('ends when the client leaves, before and after the first blank', async () => {
    const early = postSync(web, 'apps:list');
    await expect.poll(() => web.deps.waiters.size).toBe(1);
    early.leave();
    await expect.poll(() => web.deps.waiters.size).toBe(0);
    const late = postSync(web, 'apps:list');
    await expect.poll(late.body).toBe('  ');
    late.leave();
    await expect.poll(() => web.deps.waiters.size).toBe(0);
    for (let at = 0; at < 2; at++) await web.runOldest({ output: '' });
  });

  test('ends after SYNC_WAIT, or when the process stops, with the command as it is', async () => {
    const short = await startWeb({ databaseUrl: database.url, redisUrl: redis.url, settings: { SYNC_WAIT: '1' } });
    const from = performance.now();
    expect(JSON.parse(await postSync(short, 'apps:list').end)).toMatchObject({ state: 'queued' });
    expect(performance.now() - from).toBeGreaterThan(950);
    await short.stop();

    const stopping = await startWeb({ databaseUrl: database.url, redisUrl: redis.url, timing: { syncBlankMs: 100 } });
    const sync = postSync(stopping, 'apps:list');
    await expect.poll(sync.body).toMatch(/^ +$/);
    const waiting = read(JSON.parse(JSON.stringify(await accept(stopping))).token, '?wait=50', {}, stopping);
    await expect.poll(() => stopping.deps.waiters.size).toBe(2);
    await stopping.stop();
    expect(JSON.parse(await sync.end)).toMatchObject({ state: 'queued' });
    expect(await (await waiting).json()).toMatchObject({ state: 'queued' });
    for (let at = 0; at < 3; at++) await web.runOldest({ output: '' });
  });
});

describe('while Redis is away', () => {
  test('commands are accepted, and waiters woken by the look at the database', async () => {
    const own = await startTestRedis();
    const lonely = await startWeb({ databaseUrl: database.url, redisUrl: own.url });
    await own.kill('SIGKILL');
    const from = performance.now();
    const { token } = await accept(lonely);
    expect(performance.now() - from).toBeLessThan(1000);
    const answer = read(token, '?wait=50', {}, lonely);
    await expect.poll(() => lonely.deps.waiters.size).toBe(1);
    const claimed = await lonely.claimOldest();
    const finished = performance.now();
    await lonely.finish(claimed, { output: 'done' });
    expect(await (await answer).json()).toMatchObject({ state: 'succeeded' });
    expect(performance.now() - finished).toBeLessThan(2000);
    expect(lonely.deps.announcer.failed).toBeGreaterThan(0);
    await lonely.stop();
  });

  test('one that is wedged costs one request in five seconds half a second, and the others nothing', async () => {
    const own = await startTestRedis();
    const wedged = await startWeb({ databaseUrl: database.url, redisUrl: own.url, settings: { RATE_LIMIT: '100000' } });
    await accept(wedged);
    own.pause();
    const times: number[] = [];
    for (let at = 0; at < 10; at++) {
      const from = performance.now();
      await accept(wedged);
      times.push(performance.now() - from);
    }
    own.resume();
    expect(times[0]).toBeGreaterThan(400);
    expect(times[0]).toBeLessThan(1000);
    expect(Math.max(...times.slice(1))).toBeLessThan(300);
    const said = wedged.log.filter(({ msg }) => String(msg).includes('took no announcement'));
    expect(said.length).toBeLessThanOrEqual(1);
    await wedged.stop();
  });
});
