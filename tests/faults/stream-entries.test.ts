/** Anybody with a password writes what they like into the streams, and removes groups: hints may be wrong, and no more. */
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { consumerGroup, malformedKey, streamKey } from '../../lib/wakeups.ts';
import { createInstallation, type Installation, type Web } from '../support/installation.ts';
import { instantWakeups } from '../support/instant-wakeups.ts';
import { type TestProcess, waitFor } from '../support/process.ts';
import type { StandIn } from '../support/stand-in.ts';

const stream = streamKey('default');

let installation: Installation;
let web: Web;
let worker: TestProcess;
let daemon: StandIn;
let redis: Redis;

beforeAll(async () => {
  installation = await createInstallation();
  daemon = installation.daemons.get('default') as StandIn;
  redis = new Redis(installation.redis.url);
  [web, worker] = await Promise.all([installation.startWeb(), installation.startWorker()]);
});

afterAll(() => redis.disconnect());

beforeEach(async () => await instantWakeups(web));

/** Waits until the group has read the stream to its end, and acknowledged all of it. */
async function allAcknowledged() {
  const [last] = await redis.xrevrange(stream, '+', '-', 'COUNT', 1);
  await waitFor(
    async () => {
      // Redis answers names and values in turn.
      const groups = (await redis.xinfo('GROUPS', stream)) as (string | number | null)[][];
      const fields = groups.find((candidate) => candidate[1] === consumerGroup) ?? [];
      const [pending, read] = ['pending', 'last-delivered-id'].map((name) => fields[fields.indexOf(name) + 1]);
      return pending === 0 && (last === undefined || read === last[0]);
    },
    { describe: 'every entry to be read and acknowledged' },
  );
}

const groupExists = async () => String(await redis.xinfo('GROUPS', stream)).includes(consumerGroup);

/** What GET /metrics says, which serves for some seconds. */
async function malformedCounted(): Promise<number> {
  const text = await (await web.get('/metrics')).text();
  const [, count = '-1'] = /^dokku_api_stream_malformed_entries_total\{server="default"\} (\d+)$/m.exec(text) ?? [];
  return Number(count);
}

test('entries with missing, wrong and hostile fields: counted, acknowledged, and the loop goes on', async () => {
  const queued = await web.accept({ cmd: 'config:set api HOSTILE=before' });
  await web.final(queued.token);
  await allAcknowledged();
  expect(await malformedCounted()).toBe(0);
  const requests = daemon.logEntries().filter(({ event }) => event === 'request').length;
  // Of commands that are over, or that never were: as good as a hint that came late.
  const wellFormed = [
    ['token', 'f'.repeat(64)],
    ['token', queued.token],
  ];
  const malformed: (string | Buffer)[][] = [
    ['nothing', ''],
    ['token', ''],
    ['token', 'F'.repeat(64)],
    ['TOKEN', queued.token],
    ['token', '../../etc/passwd\r\nXADD x'],
    ['token', `${queued.token}\n`],
    ['TOKEN', queued.token, 'token', queued.token],
    ['token', queued.token, 'token', queued.token],
    ['token', 'x'.repeat(5_000_000)],
    ['__proto__', 'polluted', 'constructor', 'polluted'],
    ['token', '\u0000\ud83d\ude80'],
    [Buffer.from([0xff, 0xfe]), Buffer.from([0x00, 0x80])],
  ];
  for (const fields of [...wellFormed, ...malformed]) await redis.xadd(stream, '*', ...fields);
  await allAcknowledged();
  await waitFor(async () => (await malformedCounted()) === malformed.length, {
    timeout: 10_000,
    describe: 'the metrics to count what is malformed, and no more',
  });
  await worker.waitForLog(({ msg }) => String(msg).startsWith('entries of the streams are malformed'));
  await instantWakeups(web);
  // Nothing of it was run, and nothing again.
  expect(daemon.timesSent('config:set api HOSTILE=before')).toBe(1);
  const sent = daemon.logEntries().flatMap((entry) => (entry.event === 'request' ? [entry.line] : []));
  expect(new Set(sent.slice(requests))).toEqual(new Set(['apps:list']));
});

test('something else stands in the place of the count: the loop goes on, and it counts again once that is gone', async () => {
  for (const inTheWay of ['no count', '9223372036854775807']) {
    await redis.set(malformedKey('default'), inTheWay);
    await redis.xadd(stream, '*', 'nothing', '');
    await allAcknowledged();
    await instantWakeups(web);
    expect(await redis.get(malformedKey('default'))).toBe(inTheWay);
  }
  await redis.del(malformedKey('default'));
  await redis.xadd(stream, '*', 'nothing', '');
  await waitFor(async () => (await malformedCounted()) === 1, {
    timeout: 10_000,
    describe: 'the metrics to count one',
  });
});

test('messages about changes in forms that are not known: passed over', async () => {
  const messages = [
    '',
    'x',
    '1',
    '-1 succeeded',
    '1 succeeded ',
    '1 succeeded,,2 failed',
    '1 __proto__',
    '\u0000',
    `9 ${'x'.repeat(1_000_000)}`,
  ];
  for (const message of messages) await redis.publish('{dokku-api}:changes', message);
  await web.process.waitForLog(({ msg }) => msg === 'a change was announced in a form that is not known');
  await instantWakeups(web);
});

test('the consumer group is deleted: made again', async () => {
  expect(await redis.xgroup('DESTROY', stream, consumerGroup)).toBe(1);
  await waitFor(groupExists, { describe: 'the group to be made again' });
  await instantWakeups(web);
});

test('the stream is deleted: made again', async () => {
  expect(await redis.del(stream)).toBe(1);
  await waitFor(async () => await redis.exists(stream), { describe: 'the stream to be made again' });
  await instantWakeups(web);
});

test('something else stands in the stream’s place: commands run without it, and by it once it is gone', async () => {
  await redis.set(stream, 'not a stream');
  const { token } = await web.accept({ cmd: 'config:set api HOSTILE=wrong-type' });
  expect(await web.final(token, 3000)).toMatchObject({ state: 'succeeded' });
  expect(daemon.timesSent('config:set api HOSTILE=wrong-type')).toBe(1);
  await worker.waitForLog(({ msg }) => String(msg).startsWith('reading the streams fails'));
  await redis.del(stream);
  await waitFor(groupExists, { describe: 'the stream and its group to be made again' });
  // After all of the above, both are the processes that were started.
  for (const { pid } of [web.process, worker]) expect(() => process.kill(pid, 0)).not.toThrow();
});
