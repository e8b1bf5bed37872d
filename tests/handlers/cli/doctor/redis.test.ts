import { mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { checkRedis } from '../../../../handlers/cli/doctor/redis.ts';
import { remediesFor } from '../../../../handlers/cli/doctor/remedies.ts';
import { waitFor } from '../../../support/process.ts';
import { startTestRedis, type TestRedis } from '../../../support/redis.ts';
import { remedyIn, typeIntoShell } from './patient.ts';

const slower = 'commands run all the same, each up to 2 s later';
let redis: TestRedis;
let admin: Redis;
let at: string;

beforeAll(async () => {
  redis = await startTestRedis();
  admin = new Redis(redis.url);
  at = `redis://127.0.0.1:${redis.port}`;
});

afterAll(() => admin.disconnect());

async function look(url: string, place: 'host' | 'dokku' | 'npm start' = 'host'): Promise<string> {
  const { findings, value } = await checkRedis(url, remediesFor(place));
  value?.disconnect();
  const [finding] = findings;
  if (finding === undefined) throw new Error('the check found nothing, not even that all is well');
  const text = `${finding.status}: ${finding.says}${'remedy' in finding ? ` → ${finding.remedy}` : ''}`;
  expect(text).not.toContain(new URL(redis.url).password);
  return text;
}

/** Does what a `redis-cli … --askpass …` line does. */
async function typeIntoRedis(remedy: string): Promise<void> {
  expect(remedy).toContain(`redis-cli -h 127.0.0.1 -p ${redis.port} --askpass `);
  const [name = '', ...args] = remedy.replace(/.*--askpass /, '').split(' ');
  await admin.call(name, ...args.map((arg) => arg.replace(/^"(.*)"$/, '$1')));
}

test('one that is well, and is left as it was', async () => {
  expect(await look(redis.url)).toBe(`ok: takes writes at ${at}`);
  expect(await admin.dbsize()).toBe(0);
});

test('one that does not run', async () => {
  await redis.kill('SIGKILL');
  expect(await look(redis.url)).toBe(
    `warning: ${at}: not reached (ECONNREFUSED); ${slower} → systemctl start redis-server`,
  );
  expect(remedyIn(await look(redis.url, 'dokku'))).toBe('dokku redis:start dokku-api');
  expect(remedyIn(await look(redis.url, 'npm start'))).toBe('npm start');
  await redis.restart();
  expect(await look(redis.url)).toMatch(/^ok/);
});

test('one that hangs', async () => {
  redis.pause();
  onTestFinished(() => redis.resume());
  expect(await look(redis.url)).toBe(`warning: ${at}: it does not answer; ${slower} → systemctl restart redis-server`);
  redis.resume();
  expect(await look(redis.url)).toMatch(/^ok/);
});

test.each([
  ['a wrong password', (url: string) => url.replace(/:[^:@]+@/, ':mistaken@')],
  ['no password', (url: string) => url.replace(/\/\/[^@]+@/, '//')],
])('%s', async (_, spoil) => {
  const remedy = `export REDIS_URL=redis://default:PASSWORD@127.0.0.1:${redis.port}`;
  expect(await look(spoil(redis.url))).toBe(`warning: ${at}: the password is wrong; ${slower} → ${remedy}`);
  const { REDIS_URL = '' } = typeIntoShell(remedy.replace('PASSWORD', new URL(redis.url).password), {});
  expect(await look(REDIS_URL)).toMatch(/^ok/);
});

test('one whose memory is full', async () => {
  await admin.config('SET', 'maxmemory', '1');
  const problem = await look(redis.url);
  expect(problem).toBe(
    `warning: ${at}: its memory is full, and it takes no writes; ${slower} → redis-cli -h 127.0.0.1 -p ${redis.port} --askpass CONFIG SET maxmemory 0`,
  );
  expect(remedyIn(await look(redis.url, 'dokku'))).toBe(
    "echo 'CONFIG SET maxmemory 0' | dokku redis:connect dokku-api",
  );
  await typeIntoRedis(remedyIn(problem));
  expect(await look(redis.url)).toMatch(/^ok/);
});

test('one that cannot save', async () => {
  const [, folder = ''] = (await admin.config('GET', 'dir')) as string[];
  const inTheWay = join(folder, 'dump.rdb');
  mkdirSync(inTheWay);
  await admin.config('SET', 'save', '3600 1');
  await admin.bgsave();
  await waitFor(async () => (await admin.info('persistence')).includes('rdb_last_bgsave_status:err'), {
    describe: 'saving to fail',
  });
  const problem = await look(redis.url);
  expect(problem).toBe(
    `warning: ${at}: it cannot save to its disk, and takes no writes; ${slower} → redis-cli -h 127.0.0.1 -p ${redis.port} --askpass CONFIG SET stop-writes-on-bgsave-error no`,
  );
  await typeIntoRedis(remedyIn(problem));
  expect(await look(redis.url)).toMatch(/^ok/);
  await admin.config('SET', 'save', '');
  rmdirSync(inTheWay);
});

test('a user that may not do enough', async () => {
  await admin.acl('SETUSER', 'guest', 'on', '>guest', '~other:*', '+@all');
  const url = `redis://guest:guest@127.0.0.1:${redis.port}`;
  const problem = await look(url);
  expect(problem).toBe(
    `warning: ${at}: the user guest may not do what is needed; ${slower} → redis-cli -h 127.0.0.1 -p ${redis.port} --askpass ACL SETUSER guest "~{dokku-api}:*" "&{dokku-api}:*" +@all`,
  );
  await typeIntoRedis(remedyIn(problem));
  expect(await look(url)).toMatch(/^ok/);
});

test('a replica', async () => {
  const primary = await startTestRedis();
  await admin.call('REPLICAOF', '127.0.0.1', String(primary.port));
  const remedy = `export REDIS_URL=redis://default:PASSWORD@127.0.0.1:${primary.port}`;
  expect(await look(redis.url)).toBe(`warning: ${at}: it is a replica, which takes no writes; ${slower} → ${remedy}`);
  const { REDIS_URL = '' } = typeIntoShell(remedy.replace('PASSWORD', new URL(primary.url).password), {});
  expect(await look(REDIS_URL)).toMatch(/^ok/);
  await admin.call('REPLICAOF', 'NO', 'ONE');
});
