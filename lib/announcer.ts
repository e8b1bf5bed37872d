/** Tells the workers and the other web processes about a command, where Redis listens; nothing depends on it. */
import type { Redis } from 'ioredis';
import { inBatches } from './batches.ts';
import { type CommandChange, changesAtMost, publishChanges } from './command-events.ts';
import type { Log } from './log.ts';
import { type CircuitBreaker, CircuitOpenError } from './redis.ts';
import { wakeUp } from './wakeups.ts';

/** What became of a command; `wakeUp` for one that a worker is to look for. */
type Announcement = { change: CommandChange; wakeUp: { token: string; server: string } | null };

export class Announcer {
  readonly #log: Pick<Log, 'warn'>;
  readonly #tell: (announcement: Announcement) => Promise<void>;
  #failed = 0;
  /** Whether the last try failed: the first failure of an outage is said, the others are counted. */
  #away = false;

  constructor(redis: Redis, breaker: CircuitBreaker, log: Pick<Log, 'warn'>) {
    this.#log = log;
    this.#tell = inBatches({
      // Redis answers one connection in turn: what comes meanwhile shares the next call.
      callsAtMost: 1,
      itemsAtMost: changesAtMost,
      call: async (announcements: readonly Announcement[]) => {
        await breaker.run(() => tell(redis, announcements));
        return announcements.map(() => undefined);
      },
    });
  }

  /** How many announcements did not reach Redis, those that were not tried for the open breaker included. */
  get failed(): number {
    return this.#failed;
  }

  /** Announces a command that is stored as `queued`. Takes at most as long as Redis' producer waits, and never throws. */
  async announceQueued(command: CommandChange & { token: string; server: string }): Promise<void> {
    await this.#attempt({ change: command, wakeUp: command });
  }

  /** Announces that a command became another. */
  async announceChange(command: CommandChange): Promise<void> {
    await this.#attempt({ change: command, wakeUp: null });
  }

  async #attempt(announcement: Announcement): Promise<void> {
    try {
      await this.#tell(announcement);
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

async function tell(redis: Redis, announcements: readonly Announcement[]): Promise<void> {
  const pipeline = redis.pipeline();
  for (const { wakeUp: queued } of announcements) if (queued !== null) wakeUp(pipeline, queued);
  publishChanges(
    pipeline,
    announcements.map(({ change }) => change),
  );
  for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error;
}
