/** Tells the workers and the other web processes about a command, where Redis listens; nothing depends on it. */
import type { Redis } from 'ioredis';
import { inBatches } from './batches.ts';
import { type CommandChange, changesAtMost, publishChanges } from './command-events.ts';
import type { Log } from './log.ts';
import { type CircuitBreaker, CircuitOpenError } from './redis.ts';
import { announce } from './wakeups.ts';

export class Announcer {
  readonly #redis: Redis;
  readonly #breaker: CircuitBreaker;
  readonly #log: Pick<Log, 'warn'>;
  readonly #publish: (change: CommandChange) => Promise<void>;
  #failed = 0;
  /** Whether the last try failed: the first failure of an outage is said, the others are counted. */
  #away = false;

  constructor(redis: Redis, breaker: CircuitBreaker, log: Pick<Log, 'warn'>) {
    this.#redis = redis;
    this.#breaker = breaker;
    this.#log = log;
    this.#publish = inBatches({
      callsAtMost: 2,
      itemsAtMost: changesAtMost,
      call: async (changes: readonly CommandChange[]) => {
        await publishChanges(redis, breaker, changes);
        return changes.map(() => undefined);
      },
    });
  }

  /** How many announcements did not reach Redis, those that were not tried for the open breaker included. */
  get failed(): number {
    return this.#failed;
  }

  /** Announces a command that is stored as `queued`. Takes at most as long as Redis' producer waits, and never throws. */
  async announceQueued(command: CommandChange & { token: string; server: string }): Promise<void> {
    await Promise.all([
      this.#attempt(announce(this.#redis, this.#breaker, command.server, command.token)),
      this.announceChange(command),
    ]);
  }

  /** Announces that a command became another. */
  async announceChange(command: CommandChange): Promise<void> {
    await this.#attempt(this.#publish(command));
  }

  async #attempt(announcement: Promise<void>): Promise<void> {
    try {
      await announcement;
      this.#away = false;
    } catch (error) {
      this.#failed += 1;
      if (error instanceof CircuitOpenError || this.#away) return;
      this.#away = true;
      this.#log.warn(
        { reason: error instanceof Error ? error.message : 'unknown' },
        'Redis took no announcement: commands start and waiters wake up to 2 s later until it is back',
      );
    }
  }
}
