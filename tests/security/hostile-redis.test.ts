/** Redis is not trusted: whoever can write to it wakes processes, delays them, or lifts request limits, and no more. */
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { WireCommand } from '../../lib/command.ts';
import { streamKey } from '../../lib/wakeups.ts';
import { openEvents } from '../handlers/event-reader.ts';
import { createInstallation, type Installation, type Web } from '../support/installation.ts';
import { type TestProcess, waitFor } from '../support/process.ts';
import { storeCommand } from './targets.ts';

const channel = '{dokku-api}:changes';
const stream = streamKey('default');

let installation: Installation;
let web: Web;
let worker: TestProcess;
let redis: Redis;
let commands: { final: string; canceled: string; unknown: string };

const runs = () => installation.daemons.get('default')?.runs() ?? [];
const run = async (cmd: string) => await web.final((await web.accept({ cmd })).token);

beforeAll(async () => {
  installation = await createInstallation({ env: { RATE_LIMIT: '1000' } });
  [web, worker] = await Promise.all([installation.startWeb(), installation.startWorker()]);
  redis = new Redis(installation.redis.url);
  const final = (await run('apps:create ended')).token;
  const hold = await installation.daemons.get('default')?.hold('apps:create holding');
  const holding = await web.accept({ cmd: 'apps:create holding' });
  await hold?.held();
  const { token: canceled } = await web.accept({ cmd: 'apps:create canceled' });
  const response = await fetch(`${web.url}/commands/${canceled}`, { method: 'DELETE', headers: await adminHeaders() });
  expect(response.status).toBe(200);
  await hold?.release();
  await web.final(holding.token);
  commands = { final, canceled, unknown: randomBytes(32).toString('hex') };
});

afterAll(() => redis.disconnect());

async function adminHeaders(): Promise<Record<string, string>> {
  const { apiKey, apiSecret } = await installation.generateKey({ role: 'admin' });
  return { 'Api-Key': apiKey, 'Api-Secret': apiSecret };
}

test('forged entries of the stream run nothing', async () => {
  const before = runs().length;
  for (const token of [...Object.values(commands), '', '*', 'x'.repeat(100_000)]) {
    await redis.xadd(stream, '*', 'token', token);
  }
  await redis.xadd(stream, '*', 'cmd', 'apps:destroy api --force', 'server', 'default');
  await redis.xadd(streamKey('nowhere'), '*', 'token', commands.unknown);
  const last = await run('apps:list');
  expect(last.state).toBe('succeeded');
  expect(
    runs()
      .slice(before)
      .map(({ line }) => line),
  ).toEqual(['apps:list']);
  const [group] = (await redis.xinfo('GROUPS', stream)) as unknown[][];
  await waitFor(async () => ((await redis.xpending(stream, 'workers')) as [number])[0] === 0, {
    describe: `all of them to be acknowledged by ${group?.[1]}`,
  });
});

test('forged changes end no wait, and tell nobody of what is another’s', async () => {
  const headers = await adminHeaders();
  const { apiKey, apiSecret } = await installation.generateKey({ owner: 'other' });
  const events = await openEvents(`${web.url}/events`, { 'Api-Key': apiKey, 'Api-Secret': apiSecret });
  const hold = await installation.daemons.get('default')?.hold('apps:create waited-for');
  const { id, token } = await web.accept({ cmd: 'apps:create waited-for' });
  await hold?.held();
  let answered = false;
  const waiting = fetch(`${web.url}/commands/${token}?wait=50`, { headers }).finally(() => {
    answered = true;
  });
  const foreign = await storeCommand(installation.database, 'final', { owner: 'shop' });
  const { id: foreignId } = (await (await fetch(`${web.url}/commands/${foreign}`, { headers })).json()) as WireCommand;
  for (let at = 0; at < 200; at++) await redis.publish(channel, `${id} succeeded`);
  await redis.publish(channel, `${foreignId} failed`);
  await redis.publish(channel, '999999999 canceled');
  for (const nonsense of [
    '',
    'x',
    `${id} done`,
    `${id} ${token}`,
    `${id} succeeded now`,
    '{"state":"succeeded"}',
    '9'.repeat(100_000),
  ]) {
    for (let at = 0; at < 100; at++) await redis.publish(channel, nonsense);
  }
  expect(await (await fetch(`${web.url}/commands/${token}`, { headers })).json()).toMatchObject({ state: 'running' });
  expect(answered).toBe(false);
  await hold?.release();
  expect(await (await waiting).json()).toMatchObject({ state: 'succeeded' });
  expect(events.events).toEqual([]);
  events.leave();
  const complaints = web.process.entries().filter(({ msg }) => String(msg).includes('form that is not known'));
  expect(complaints).toHaveLength(1);
});

test('a stream, a channel and counters that are something else delay a command, and lose none', async () => {
  await redis.del(stream);
  await redis.set(stream, 'not a stream');
  const counters = await redis.keys('{dokku-api}:requests*');
  expect(counters.length).toBeGreaterThan(0);
  for (const counter of counters) {
    await redis.del(counter);
    await redis.rpush(counter, 'not a number');
  }
  const from = performance.now();
  expect((await run('apps:list')).state).toBe('succeeded');
  expect(performance.now() - from).toBeLessThan(5000);
  await redis.del(stream, ...counters);
});

test('counters may be set to anything: that lifts limits or reaches them, and grants nothing', async () => {
  const key = await installation.generateKey({ role: 'read', rateLimit: 5 });
  const headers = { 'Api-Key': key.apiKey, 'Api-Secret': key.apiSecret };
  const status = async (method: string) => {
    const body = method === 'POST' ? { body: new URLSearchParams({ cmd: 'apps' }) } : {};
    return (await fetch(`${web.url}/commands`, { method, headers, ...body })).status;
  };
  const counter = `{dokku-api}:requests:${key.publicId}`;
  const isCounted = async () => {
    await web.get('/commands?limit=1');
    return (await redis.keys('{dokku-api}:requests:*')).length > 0;
  };
  await waitFor(isCounted, { describe: 'Redis to be asked again' });
  await redis.set(counter, '-1000000', 'EX', 60);
  for (let at = 0; at < 10; at++) expect(await status('GET')).toBe(200);
  expect(await status('POST')).toBe(403);
  await redis.set(counter, '1000000', 'EX', 60);
  expect(await status('GET')).toBe(429);
});

test('and both processes still run', async () => {
  expect((await run('apps:list')).state).toBe('succeeded');
  expect(worker.entries().filter(({ level }) => level === 'fatal' || level === 'error')).toEqual([]);
  expect(web.process.entries().filter(({ level }) => level === 'fatal' || level === 'error')).toEqual([]);
});
