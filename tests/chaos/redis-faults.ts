import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { consumerGroup, streamKey } from '../../lib/wakeups.ts';
import { pause } from '../../worker/backoff.ts';
import { waitFor } from '../support/process.ts';
import type { Random } from './random.ts';
import { serverNames } from './services.ts';
import type { Site } from './site.ts';

export function redisFaults(site: Site, random: Random, over: AbortSignal) {
  const { redis } = site.services;
  const proxy = site.redisProxy;
  const awayMs = () => random.between(200, 5000);
  const anyStream = () => streamKey(random.pick(serverNames));
  return [
    [2, () => site.strike({ kind: 'redis flushed' }, () => redis.flush())],
    [1, () => site.strike({ kind: 'redis restarted' }, () => redis.restart())],
    [
      2,
      () =>
        site.strike({ kind: 'redis killed' }, async () => {
          await redis.kill('SIGKILL');
          await pause(awayMs(), over);
          await redis.restart();
        }),
    ],
    [
      2,
      () =>
        site.strike({ kind: 'redis wedged' }, async () => {
          redis.pause();
          await pause(awayMs(), over);
          redis.resume();
        }),
    ],
    [1, () => site.strike({ kind: 'redis cut' }, () => proxy.cut())],
    [
      1,
      () =>
        site.strike({ kind: 'redis half-open' }, async () => {
          proxy.drop();
          await pause(awayMs(), over);
          proxy.resume();
        }),
    ],
    [2, () => loseWakeup(site, over)],
    [
      1,
      () =>
        strikeWithClient(site, 'redis out of memory', async (client) => {
          await client.config('SET', 'maxmemory', '1');
          await pause(awayMs(), over);
          await client.config('SET', 'maxmemory', '0');
        }),
    ],
    [1, () => strikeWithClient(site, 'redis cannot save', (client) => failSaving(client, awayMs(), over))],
    [
      2,
      () =>
        strikeWithClient(site, 'redis stream entries hostile', async (client) => {
          for (const fields of hostileEntries) await client.xadd(anyStream(), '*', ...fields);
        }),
    ],
    [
      1,
      () =>
        strikeWithClient(site, 'redis group deleted', async (client) => {
          const stream = anyStream();
          // Of a stream that is not there it cannot be asked.
          if (await client.exists(stream)) await client.xgroup('DESTROY', stream, consumerGroup);
        }),
    ],
    [
      1,
      () =>
        strikeWithClient(site, 'redis stream replaced', async (client) => {
          const stream = anyStream();
          await client.set(stream, 'not a stream');
          await pause(awayMs(), over);
          await client.del(stream);
        }),
    ],
  ] as const;
}

const hostileEntries: readonly string[][] = [
  ['nothing', ''],
  ['token', ''],
  ['token', 'f'.repeat(64)],
  ['token', '../../etc/passwd\r\nXADD x'],
  ['token', 'x'.repeat(200_000)],
  ['__proto__', 'polluted', 'token', 'f'.repeat(64)],
];

async function strikeWithClient(site: Site, kind: string, during: (client: Redis) => Promise<void>): Promise<void> {
  const client = new Redis(site.services.redis.url, { lazyConnect: true, retryStrategy: null });
  try {
    await client.connect();
    await site.strike({ kind }, () => during(client));
  } finally {
    client.disconnect();
  }
}

/** A folder stands where the data would be saved: Redis takes no writes until a save has succeeded. */
async function failSaving(client: Redis, forMs: number, over: AbortSignal): Promise<void> {
  const [, folder = ''] = (await client.config('GET', 'dir')) as string[];
  const inTheWay = join(folder, 'dump.rdb');
  rmSync(inTheWay, { recursive: true, force: true });
  mkdirSync(join(inTheWay, 'not-empty'), { recursive: true });
  await client.config('SET', 'save', '3600 1');
  await client.bgsave();
  await waitFor(async () => (await client.info('persistence')).includes('rdb_last_bgsave_status:err'), {
    describe: 'a save of Redis to fail',
  });
  await pause(forMs, over);
  await client.config('SET', 'save', '');
  rmSync(inTheWay, { recursive: true });
}

/** The next XADD is done, and its answer is cut off. */
async function loseWakeup(site: Site, over: AbortSignal): Promise<void> {
  const met = new AbortController();
  const takeOff = site.redisProxy.onData('toTarget', (chunk) => {
    if (met.signal.aborted || !/xadd/i.test(chunk.toString('latin1'))) return 'forward';
    met.abort();
    return 'forward-and-cut';
  });
  await site.strike({ kind: 'redis answer lost: XADD' }, () => pause(3000, AbortSignal.any([met.signal, over])));
  takeOff();
}
