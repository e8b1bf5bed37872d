/** Requests of each key in a fixed window, counted over all web processes in Redis, or in this one while Redis is away. */
import type { Redis } from 'ioredis';
import { RateLimiterMemory, RateLimiterRedis, type RateLimiterRes } from 'rate-limiter-flexible';
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

  async function countSomewhere(name: string): Promise<RateLimiterRes> {
    try {
      return await options.breaker.run(() => shared.penalty(name));
    } catch (error) {
      // Whatever Redis said, no request is refused for it.
      if (!(error instanceof CircuitOpenError)) options.onError(error);
      return await own.penalty(name);
    }
  }

  return {
    async count(name) {
      const { consumedPoints, msBeforeNext } = await countSomewhere(name);
      return { used: consumedPoints, resetSeconds: Math.max(1, Math.ceil(msBeforeNext / 1000)) };
    },
  };
}
