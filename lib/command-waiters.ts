/** Requests that wait for commands to change: all of them share one look at the database, and none has a connection. */

/** What tells one state of a command from the next. */
export type Watched = { token: string; changedIn: string };

/** How waiters learn what became of commands. */
export type CommandLook<Row extends Watched> = {
  /** The last changes of these commands, in one cheap query. */
  changes(tokens: readonly string[]): Promise<Watched[]>;
  rows(tokens: readonly string[]): Promise<Row[]>;
};

export type WaitLimits = {
  /** At most 2,147,483,647. */
  timeoutMs: number;
  /** Any of them ends the wait. */
  signals: readonly AbortSignal[];
};

type Waiter<Row> = {
  latest: Row;
  until: (row: Row) => boolean;
  settle: () => void;
  /** The number of the last look begun before it came, whose rows may be older than its own. */
  after: number;
};

/** Rows with results may be large: so many at once are held in memory. */
const rowsAtOnce = 8;

export class CommandWaiters<Row extends Watched> {
  readonly #look: CommandLook<Row>;
  readonly #onError: (error: unknown) => void;
  readonly #everyMs: number;
  readonly #waiters = new Map<string, Set<Waiter<Row>>>();
  readonly #woken = new Set<string>();
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
   * @returns the newest row seen, at the time-out or an abort too
   */
  wait(row: Row, until: (row: Row) => boolean, { timeoutMs, signals }: WaitLimits): Promise<Row> {
    if (until(row) || timeoutMs <= 0 || signals.some((signal) => signal.aborted)) return Promise.resolve(row);
    return new Promise((resolve) => {
      const settle = () => {
        clearTimeout(timer);
        for (const signal of signals) signal.removeEventListener('abort', settle);
        this.#remove(row.token, waiter);
        resolve(waiter.latest);
      };
      const waiter: Waiter<Row> = { latest: row, until, settle, after: this.#looks };
      const timer = setTimeout(settle, timeoutMs);
      for (const signal of signals) signal.addEventListener('abort', settle, { once: true });
      this.#add(row.token, waiter);
      // What changed between the caller's read and now was announced to nobody.
      this.wake(row.token);
    });
  }

  /** Looks at a command now, where anybody waits for it. */
  wake(token: string): void {
    if (!this.#waiters.has(token)) return;
    this.#woken.add(token);
    void this.#lookAtWoken();
  }

  #add(token: string, waiter: Waiter<Row>): void {
    this.#waiters.set(token, (this.#waiters.get(token) ?? new Set()).add(waiter));
    this.#timer ??= setInterval(() => {
      this.#polled = true;
      void this.#lookAtWoken();
    }, this.#everyMs);
  }

  #remove(token: string, waiter: Waiter<Row>): void {
    const waiters = this.#waiters.get(token);
    waiters?.delete(waiter);
    if (waiters?.size === 0) this.#waiters.delete(token);
    if (this.#waiters.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** One look at a time: what is woken meanwhile shares the next one. */
  async #lookAtWoken(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      while (this.#polled || this.#woken.size > 0) {
        const tokens = this.#polled ? await this.#changed() : [...this.#woken];
        this.#polled = false;
        for (let at = 0; at < tokens.length; at += rowsAtOnce) {
          const batch = tokens.slice(at, at + rowsAtOnce);
          for (const token of batch) this.#woken.delete(token);
          this.#looks += 1;
          for (const row of await this.#look.rows(batch)) this.#tell(row);
        }
      }
    } catch (error) {
      this.#woken.clear();
      this.#polled = false;
      this.#onError(error);
    } finally {
      this.#looking = false;
    }
  }

  async #changed(): Promise<string[]> {
    const seen = await this.#look.changes([...this.#waiters.keys()]);
    return seen.filter(({ token, changedIn }) => this.#isNews(token, changedIn)).map(({ token }) => token);
  }

  #isNews(token: string, changedIn: string): boolean {
    return [...(this.#waiters.get(token) ?? [])].some((waiter) => waiter.latest.changedIn !== changedIn);
  }

  #tell(row: Row): void {
    for (const waiter of [...(this.#waiters.get(row.token) ?? [])]) {
      if (waiter.after >= this.#looks) continue;
      waiter.latest = row;
      if (waiter.until(row)) waiter.settle();
    }
  }
}
