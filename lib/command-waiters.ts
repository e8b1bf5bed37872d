/** Requests that wait for commands to change: all of them share one look at the database, and none has a connection. */

import { type CommandState, isFinal } from './command.ts';
import type { CommandChange } from './command-events.ts';

/** What tells one state of a command from the next. */
export type Change = { id: number; changedIn: string };
export type Watched = Change & { state: CommandState };

/** What is enough for a waiter: a final state, or any state but the one that it knows. */
export type Goal = 'final' | 'changed';

/** How waiters learn what became of commands. */
export type CommandLook<Row extends Watched> = {
  /** The last changes of these commands, in one cheap query. */
  changes(ids: readonly number[]): Promise<Change[]>;
  /** The commands as they are, in batches: results may be large, and each batch is let go before the next is read. */
  rows(ids: readonly number[]): AsyncIterable<Row[]>;
  /** One command as it is; null where it was deleted. */
  row(known: Row): Promise<Row | null>;
};

export type WaitLimits = {
  /** At most 2,147,483,647. */
  timeoutMs: number;
  /** Any of them ends the wait. */
  signals: readonly AbortSignal[];
};

type Waiter<Row> = {
  latest: Row;
  goal: Goal;
  settle: () => void;
  /** The number of the last look begun before it came, whose rows may be older than its own. */
  after: number;
};

/** Of so many commands it is remembered that they were announced to be final, for those who come to wait meanwhile. */
const endsRemembered = 10_000;

export class CommandWaiters<Row extends Watched> {
  readonly #look: CommandLook<Row>;
  readonly #onError: (error: unknown) => void;
  readonly #everyMs: number;
  readonly #waiters = new Map<number, Set<Waiter<Row>>>();
  readonly #woken = new Set<number>();
  readonly #ended = new Set<number>();
  #polled = false;
  #looking = false;
  #looks = 0;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param options.onError told of a look that failed; the next one asks again
   * @param options.everyMs how often to look at all that is waited for, whatever was announced
   */
  constructor(options: { look: CommandLook<Row>; onError: (error: unknown) => void; everyMs?: number }) {
    this.#look = options.look;
    this.#onError = options.onError;
    this.#everyMs = options.everyMs ?? 500;
  }

  /** How many commands are waited for. */
  get size(): number {
    return this.#waiters.size;
  }

  /**
   * Waits until a look finds the command in a state that is enough.
   * @returns the command as it is, at the time-out or an abort too; as it was last seen where the last look fails
   */
  async wait(row: Row, goal: Goal, limits: WaitLimits): Promise<Row> {
    const seen = await this.#untilEnough(row, goal, limits);
    // Nobody looked when it began to run.
    if (goal === 'changed' || isFinal(seen.state) || limits.timeoutMs <= 0) return seen;
    try {
      return (await this.#look.row(seen)) ?? seen;
    } catch (error) {
      this.#onError(error);
      return seen;
    }
  }

  #untilEnough(row: Row, goal: Goal, { timeoutMs, signals }: WaitLimits): Promise<Row> {
    if (isFinal(row.state) || timeoutMs <= 0 || signals.some((signal) => signal.aborted)) return Promise.resolve(row);
    return new Promise((resolve) => {
      const settle = () => {
        clearTimeout(timer);
        for (const signal of signals) signal.removeEventListener('abort', settle);
        this.#remove(row.id, waiter);
        resolve(waiter.latest);
      };
      const waiter: Waiter<Row> = { latest: row, goal, settle, after: this.#looks };
      const timer = setTimeout(settle, timeoutMs);
      for (const signal of signals) signal.addEventListener('abort', settle, { once: true });
      this.#add(row.id, waiter);
      // What changed between the caller's read and now was announced to nobody.
      if (goal === 'changed' || this.#ended.has(row.id)) this.#wake(row.id);
    });
  }

  /** Looks at a command now, where it may have become what somebody waits for. */
  announce({ id, state }: CommandChange): void {
    if (isFinal(state)) this.#remember(id);
    const waiters = [...(this.#waiters.get(id) ?? [])];
    if (waiters.some(({ goal }) => goal === 'changed' || isFinal(state))) this.#wake(id);
  }

  #wake(id: number): void {
    this.#woken.add(id);
    void this.#lookAtWoken();
  }

  #remember(id: number): void {
    this.#ended.add(id);
    const [oldest = id] = this.#ended;
    if (this.#ended.size > endsRemembered) this.#ended.delete(oldest);
  }

  #add(id: number, waiter: Waiter<Row>): void {
    this.#waiters.set(id, (this.#waiters.get(id) ?? new Set()).add(waiter));
    this.#timer ??= setInterval(() => {
      this.#polled = true;
      void this.#lookAtWoken();
    }, this.#everyMs);
  }

  #remove(id: number, waiter: Waiter<Row>): void {
    const waiters = this.#waiters.get(id);
    waiters?.delete(waiter);
    if (waiters?.size === 0) this.#waiters.delete(id);
    if (this.#waiters.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** One look at a time: what is woken meanwhile shares the next one. */
  async #lookAtWoken(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    // What one message tells of is woken in one go of code.
    await Promise.resolve();
    try {
      while (this.#polled || this.#woken.size > 0) {
        const ids = this.#polled ? await this.#changed() : [...this.#woken];
        this.#polled = false;
        for (const id of ids) this.#woken.delete(id);
        this.#looks += 1;
        for await (const rows of this.#rows(ids)) for (const row of rows) this.#tell(row);
      }
    } catch (error) {
      this.#woken.clear();
      this.#polled = false;
      this.#onError(error);
    } finally {
      this.#looking = false;
    }
  }

  /** A command alone is asked for by itself, which takes Postgres two thirds of the time. */
  async *#rows(ids: readonly number[]): AsyncGenerator<Row[]> {
    const [id, ...others] = ids;
    const [waiter] = (id !== undefined && others.length === 0 && this.#waiters.get(id)) || [];
    if (waiter === undefined) return yield* this.#look.rows(ids);
    const row = await this.#look.row(waiter.latest);
    if (row !== null) yield [row];
  }

  async #changed(): Promise<number[]> {
    const seen = await this.#look.changes([...this.#waiters.keys()]);
    return seen.filter(({ id, changedIn }) => this.#isNews(id, changedIn)).map(({ id }) => id);
  }

  #isNews(id: number, changedIn: string): boolean {
    return [...(this.#waiters.get(id) ?? [])].some((waiter) => waiter.latest.changedIn !== changedIn);
  }

  #tell(row: Row): void {
    for (const waiter of [...(this.#waiters.get(row.id) ?? [])]) {
      if (waiter.after >= this.#looks) continue;
      const changed = row.changedIn !== waiter.latest.changedIn;
      waiter.latest = row;
      if (isFinal(row.state) || (changed && waiter.goal === 'changed')) waiter.settle();
    }
  }
}
