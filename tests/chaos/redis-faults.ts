import { pause } from '../../worker/backoff.ts';
import type { Random } from './random.ts';
import type { Site } from './site.ts';

export function redisFaults(site: Site, random: Random, over: AbortSignal) {
  const { redis } = site.services;
  const proxy = site.redisProxy;
  const awayMs = () => random.between(200, 5000);
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
  ] as const;
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
