/** How often a command makes web and worker ask Postgres and Redis: what stands in the README. */
import { Redis } from 'ioredis';
import { beforeAll, expect, test } from 'vitest';
import { ChangeSubscription, type CommandChange } from '../lib/command-events.ts';
import { createInstallation, type Installation, type Web } from './support/installation.ts';
import { waitFor } from './support/process.ts';
import { startProxy, type TestProxy } from './support/proxy.ts';

let installation: Installation;
let web: Web;
let redis: Redis;
let subscriber: Redis;
let fromWeb: TestProxy;
let fromWorker: TestProxy;

beforeAll(async () => {
  installation = await createInstallation();
  fromWeb = await startProxy({ target: installation.databaseUrl });
  fromWorker = await startProxy({ target: installation.databaseUrl });
  web = await installation.startWeb({ DATABASE_URL: fromWeb.url(installation.databaseUrl) });
  // Its process may end before this connection to it does.
  redis = new Redis(installation.redis.url, { retryStrategy: () => null });
  subscriber = redis.duplicate();
  return () => {
    redis.disconnect();
    subscriber.disconnect();
  };
});

/** Postgres ends each answer with ReadyForQuery: these bytes and the transaction's status. */
const readyForQuery = Buffer.from([0x5a, 0, 0, 0, 5]);

/** Counts the answers of Postgres until `stop` is called. */
function countAnswers(proxy: TestProxy): { stop: () => number } {
  let answers = 0;
  const stop = proxy.onData('toClient', (chunk) => {
    answers += chunk.toString('latin1').split(readyForQuery.toString('latin1')).length - 1;
    return 'forward';
  });
  return {
    stop: () => {
      stop();
      return answers;
    },
  };
}

async function redisCommands(): Promise<Record<string, number>> {
  const statistics = await redis.info('commandstats');
  const calls = (name: string) => Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(statistics)?.[1] ?? 0);
  return Object.fromEntries(['evalsha', 'xadd', 'publish', 'xreadgroup'].map((name) => [name, calls(name)]));
}

test('accepting asks Postgres twice and Redis thrice', async () => {
  // The first one loads the script that counts, and notes when the key was last used, which the second reads.
  await web.accept({ cmd: 'apps:list' });
  await waitFor(
    async () =>
      (await installation.database.$client.query('select from dokku_api.keys where last_used_at is not null')).rowCount,
    { describe: 'the time of last use' },
  );
  await web.accept({ cmd: 'apps:list' });
  await redis.config('RESETSTAT');
  const answers = countAnswers(fromWeb);
  for (let time = 0; time < 10; time++) await web.accept({ cmd: 'apps:list' });
  // The key, and the command.
  expect(answers.stop()).toBe(20);
  // A request counted, a wake-up for the worker, a change for those who follow.
  expect(await redisCommands()).toEqual({ evalsha: 10, xadd: 10, publish: 10, xreadgroup: 0 });
});

test('running and finishing asks Postgres once while the queue goes on, and tells Redis once', async () => {
  const [{ count = 0 } = {}] = (
    await installation.database.$client.query<{ count: number }>(
      "select count(*)::int from dokku_api.commands where state = 'queued'",
    )
  ).rows;
  const queued = [];
  for (let time = 0; time < 40; time++) queued.push(await web.accept({ cmd: 'apps:list' }));
  await redis.config('RESETSTAT');
  const asked: string[] = [];
  fromWorker.onData('toTarget', (chunk) => {
    const name = /(claim_command|finish_command)\w*/.exec(chunk.toString('latin1'))?.[0];
    if (name !== undefined) asked.push(name);
    return 'forward';
  });
  const changes: CommandChange[] = [];
  new ChangeSubscription(subscriber, {
    onChange: (change) => changes.push(change),
    onMalformed: () => expect.unreachable('a malformed change'),
    onError: (error) => expect.unreachable(String(error)),
  }).follow(new AbortController().signal);
  await subscriber.ping();
  await installation.startWorker({ DATABASE_URL: fromWorker.url(installation.databaseUrl) });
  for (const { token } of queued) await web.final(token);
  const commands = count + queued.length;
  await waitFor(() => changes.length === 2 * commands, { describe: 'two changes a command' });
  // The end of one is told with the beginning of the next, where that is claimed with it.
  expect((await redisCommands()).publish).toBeLessThanOrEqual(1.2 * commands);
  // The first has nothing before it, the last has nothing behind it, and now and then a connection is not made yet.
  expect(asked.length).toBeLessThanOrEqual(1.2 * commands);
});

test('while every server is busy, what is announced for them is read ten times a second', async () => {
  const hold = await installation.daemons.get('default')?.hold('apps:list');
  let last = await web.accept({ cmd: 'apps:list' });
  try {
    await hold?.held();
    await redis.config('RESETSTAT');
    const began = performance.now();
    for (let time = 0; time < 50; time++) last = await web.accept({ cmd: 'apps:list' });
    const seconds = (performance.now() - began) / 1000;
    const { xadd, xreadgroup } = await redisCommands();
    expect(xadd).toBe(50);
    expect(xreadgroup).toBeLessThanOrEqual(10 * seconds + 2);
  } finally {
    await hold?.release();
  }
  await web.final(last.token);
});

test('waiting for its end asks Postgres once more', async () => {
  const answers = countAnswers(fromWeb);
  for (let time = 0; time < 10; time++) {
    expect(await (await web.post('/commands', { cmd: 'apps:list', sync: 'true' })).json()).toMatchObject({
      state: 'succeeded',
    });
  }
  // On a slow machine a wait lasts until all that is waited for is looked at.
  expect(answers.stop()).toBeLessThanOrEqual(33);
});

test('with nothing to do, Postgres is asked by the look at the leases, and nothing is claimed', async () => {
  const asked = { observe: 0, claim_command: 0 };
  const stop = fromWorker.onData('toTarget', (chunk) => {
    for (const [, name] of chunk.toString('latin1').matchAll(/\b(observe|claim_command)\0/g)) {
      asked[name as keyof typeof asked] += 1;
    }
    return 'forward';
  });
  await waitFor(async () => asked.observe >= 10, { describe: 'ten looks, in five seconds' });
  stop();
  expect(asked.claim_command).toBe(0);
});
