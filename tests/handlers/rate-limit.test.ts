import { beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { startTestRedis, type TestRedis } from '../support/redis.ts';
import { startWeb } from './web.ts';

let database: TestDatabase;
let redis: TestRedis;

beforeAll(async () => {
  [database, redis] = await Promise.all([createDatabase(), startTestRedis()]);
});

const settings = { RATE_LIMIT: '5' };

test('each key has its own limit over all web processes, and every answer says how it stands', async () => {
  const webs = [
    await startWeb({ databaseUrl: database.url, redisUrl: redis.url, settings }),
    await startWeb({ databaseUrl: database.url, redisUrl: redis.url, settings }),
  ] as const;
  const key = await webs[0].key();
  const answers: Response[] = [];
  for (let at = 0; at < 7; at++) {
    answers.push(await fetch(`${webs[at % 2]?.url}/${at === 0 ? 'nowhere' : 'commands'}`, { headers: key.headers }));
  }
  expect(answers.map(({ status }) => status)).toEqual([404, 200, 200, 200, 200, 429, 429]);
  expect(answers.map(({ headers }) => headers.get('ratelimit')?.replace(/t=\d+/, 't'))).toEqual(
    [4, 3, 2, 1, 0, 0, 0].map((left) => `"key";r=${left};t`),
  );
  for (const { headers } of answers) {
    expect(headers.get('ratelimit-policy')).toBe('"key";q=5;w=60');
    expect(Number(/t=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1])).toSatisfy(
      (left: number) => left >= 1 && left <= 60,
    );
  }
  const refused = answers.at(-1);
  expect(await refused?.json()).toMatchObject({ status: 'error', code: 'rate_limited' });
  expect(Number(refused?.headers.get('retry-after'))).toSatisfy((seconds: number) => seconds >= 1 && seconds <= 60);

  const other = await webs[0].key();
  expect((await fetch(`${webs[0].url}/commands`, { headers: other.headers })).status).toBe(200);
  const wide = await webs[0].key({ rateLimit: 1000 });
  const answer = await fetch(`${webs[0].url}/commands`, { headers: wide.headers });
  expect([answer.headers.get('ratelimit-policy'), answer.headers.get('ratelimit')?.split(';t')[0]]).toEqual([
    '"key";q=1000;w=60',
    '"key";r=999',
  ]);
  expect((await fetch(`${webs[0].url}/healthz`)).headers.get('ratelimit')).toBeNull();
  expect((await fetch(`${webs[0].url}/commands`)).headers.get('ratelimit')).toBeNull();
});

test('requests that come at once are counted one by one, each for its own key', async () => {
  const web = await startWeb({ databaseUrl: database.url, redisUrl: redis.url, settings });
  const keys = await Promise.all([30, 40].map((rateLimit) => web.key({ rateLimit })));
  const left = await Promise.all(
    Array.from({ length: 100 }, async (_, at) => {
      const { status, headers } = await fetch(`${web.url}/nowhere`, { headers: keys[at % 2]?.headers ?? {} });
      return { key: at % 2, status, left: Number(/r=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1]) };
    }),
  );
  for (const [key, limit] of [30, 40].entries()) {
    const told = left.filter((answer) => answer.key === key);
    const within = told.filter(({ status }) => status !== 429);
    expect(within.map((answer) => answer.left).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: limit }, (_, at) => at),
    );
    expect(told.filter(({ status }) => status === 429)).toHaveLength(50 - limit);
  }
});

test('while Redis is away each process counts by itself', async () => {
  const own = await startTestRedis();
  const web = await startWeb({ databaseUrl: database.url, redisUrl: own.url, settings });
  const key = await web.key();
  await own.kill('SIGKILL');
  const statuses: number[] = [];
  for (let at = 0; at < 7; at++) statuses.push((await fetch(`${web.url}/commands`, { headers: key.headers })).status);
  expect(statuses).toEqual([200, 200, 200, 200, 200, 429, 429]);
});
