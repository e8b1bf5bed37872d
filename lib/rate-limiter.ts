/** Requests of each key in a fixed window, counted over all web processes in Redis, or in this one while Redis is away. */
import type { Redis } from 'ioredis';
import { RateLimiterMemory, RateLimiterRedis, type RateLimiterRes } from 'rate-limiter-flexible';
import { inBatches } from './batches.ts';
import { type CircuitBreaker, CircuitOpenError } from './redis.ts';

/** The window's requests so far, this one included, and the seconds until it ends. */
export type Usage = { used: number; resetSeconds: number };

export type RateLimiter = {
  /** Counts a request of `name`. */
  count(name: string): Promise<Usage>;
};

/** Each name has its own limit, which whoever counts knows; the library's is out of reach. */
const points = Number.MAX_SAFE_INTEGER;

/** Counts by names; the breaker keeps a Redis that failed from costing each request its time-out. */
export function createRateLimiter(options: {
  redis: Redis;
  breaker: CircuitBreaker;
  prefix: string;
  windowSeconds: number;
  /** Told why Redis did not count. */
  onError: (error: unknown) => void;
}): RateLimiter {
  const common = { points, duration: options.windowSeconds, keyPrefix: options.prefix };
  const shared = new RateLimiterRedis({ ...common, storeClient: options.redis, rejectIfRedisNotReady: true });
  const own = new RateLimiterMemory(common);

  /** Those of one name are counted together, and numbered in the order in which they came. */
  const countShared = inBatches({
    callsAtMost: 2,
    itemsAtMost: 1000,
    call: async (names: readonly string[]): Promise<PromiseSettledResult<Usage>[]> => {
      const left = new Map<string, number>();
      for (const name of names) left.set(name, (left.get(name) ?? 0) + 1);
      const counted = new Map(
        Array.from(left, ([name, count]) => [name, options.breaker.run(() => shared.penalty(name, count))]),
      );
      const usages = names.map(async (name) => {
        const later = (left.get(name) ?? 1) - 1;
        left.set(name, later);
        return usageOf((await counted.get(name)) as RateLimiterRes, later);
      });
      return await Promise.allSettled(usages);
    },
  });

  return {
    async count(name) {
      const counted = await countShared(name);
      if (counted.status === 'fulfilled') return counted.value;
      // Whatever Redis said, no request is refused for it.
      if (!(counted.reason instanceof CircuitOpenError)) options.onError(counted.reason);
      return usageOf(await own.penalty(name), 0);
    },
  };
}

/** @param later how many were counted with this one that came after it */
function usageOf({ consumedPoints, msBeforeNext }: RateLimiterRes, later: number): Usage {
  return { used: consumedPoints - later, resetSeconds: Math.max(1, Math.ceil(msBeforeNext / 1000)) };
}
