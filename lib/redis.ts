/**
 * Connections to Redis, one profile for each use. Redis is expendable: no profile queues or resends what it could not
 * say, and each notices a half-open connection within seconds.
 */
import { Redis, type RedisOptions } from 'ioredis';

type Profile = Omit<RedisOptions, 'replyMapping'>;

const common: Profile = {
  protocol: 2,
  connectTimeout: 3000,
  keepAlive: 5000,
  autoResendUnfulfilledCommands: false,
  retryStrategy: (times) => Math.min(100 * 2 ** times, 2000),
};

/** Says one thing and gives up after half a second: never asks twice, since the first may have been heard. */
export function connectProducer(url: string, onError: (error: Error) => void): Redis {
  return connect(url, onError, {
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    commandTimeout: 500,
    socketTimeout: 3000,
    // What many requests say at once goes out in one write.
    enableAutoPipelining: true,
  });
}

/**
 * For reads that block up to 2 s: a connection that is silent for 6 s is dead. Without a number of retries a read under
 * way when the connection ends would never settle.
 */
export function connectReader(url: string, onError: (error: Error) => void): Redis {
  return connect(url, onError, { maxRetriesPerRequest: 0, enableOfflineQueue: false, socketTimeout: 6000 });
}

/**
 * For subscriptions, made again after a reconnect. A ping every 3 s, and 6 s for its answer: a half-open connection is
 * noticed within ten.
 */
export function connectSubscriber(url: string, onError: (error: Error) => void): Redis {
  const redis = connect(url, onError, { maxRetriesPerRequest: null, autoResubscribe: true, socketTimeout: 6000 });
  const ping = setInterval(() => {
    if (redis.status === 'ready') redis.ping().catch(onError);
  }, 3000).unref();
  redis.once('end', () => clearInterval(ping));
  return redis;
}

function connect(url: string, onError: (error: Error) => void, options: Profile): Redis {
  const redis: Redis = new Redis(url, { ...common, ...options });
  redis.on('error', onError);
  return redis;
}

/** A wedged Redis would cost each request its time-out: after one failure it is not asked again for 5 s. */
export class CircuitBreaker {
  #openUntil = Number.NEGATIVE_INFINITY;
  readonly #now: () => number;
  readonly #openMs: number;

  /** @param now a monotonic clock, in milliseconds */
  constructor(now: () => number, openMs = 5000) {
    this.#now = now;
    this.#openMs = openMs;
  }

  get closed(): boolean {
    return this.#now() >= this.#openUntil;
  }

  /** Runs the operation, or throws at once while the breaker is open. */
  async run<Result>(operation: () => Promise<Result>): Promise<Result> {
    if (!this.closed) throw new CircuitOpenError();
    try {
      return await operation();
    } catch (error) {
      this.#openUntil = this.#now() + this.#openMs;
      throw error;
    }
  }
}

export class CircuitOpenError extends Error {
  override name = 'CircuitOpenError';

  constructor() {
    super('Redis failed a moment ago and is not asked again yet');
  }
}

/** The word that Redis begins a refusal with, `WRONGPASS` for one; undefined for any other error. */
export function redisErrorCode(error: unknown): string | undefined {
  return error instanceof Error && error.name === 'ReplyError' ? /^[A-Z]+\b/.exec(error.message)?.[0] : undefined;
}
