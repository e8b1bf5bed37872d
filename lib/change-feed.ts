/**
 * Every change of every command, to whoever listens: read once for all of them, when one is announced and twice a second
 * in any case. Positions are numbers of transactions as decimal text, since they outgrow a JavaScript number.
 */

/** That a command changed, and in which transaction it did last. */
export type Change = { id: number; changedIn: string; owner: string };
/** Behind this change in the order of transactions; `id` 0: from the transaction on. */
export type ChangePosition = { changedIn: string; id: number };
export type ChangeSweep = { horizon: string; changes: Change[] };

type Identified = { id: number };

/** How changes are read. `owner` null: everybody's. */
export type ChangeReader<Row> = {
  horizon(): Promise<string>;
  sweep(from: ChangePosition, owner: string | null, limit: number): Promise<ChangeSweep>;
  rows(ids: readonly number[]): AsyncIterable<Row[]>;
};

/** Commands as they became, and by which change. Whoever was told of them goes on from `resumeAt` later. */
export type ChangedRows<Row> = { rows: Row[]; changedIn: ReadonlyMap<number, string>; resumeAt: string };

const changesAtOnce = 200;

/**
 * Reads all that changed from a transaction on, in batches.
 * @param isNews lets changes out that need not be told
 * @returns the horizon: what is not visible yet will be found from there on
 */
export async function* readChanges<Row extends Identified>(
  reader: ChangeReader<Row>,
  from: string,
  owner: string | null,
  isNews: (change: Change) => boolean = () => true,
): AsyncGenerator<ChangedRows<Row>, string> {
  let position: ChangePosition = { changedIn: from, id: 0 };
  let horizon: string | undefined;
  for (;;) {
    const sweep = await reader.sweep(position, owner, changesAtOnce);
    horizon ??= sweep.horizon;
    const changes = sweep.changes.filter(isNews);
    const first = changes[0];
    if (first !== undefined) {
      // All that was not told yet is of this transaction or a later one, or was not visible to the first sweep.
      const resumeAt = earlier(first.changedIn, horizon);
      const changedIn = new Map(changes.map((change) => [change.id, change.changedIn]));
      for await (const rows of reader.rows([...changedIn.keys()])) yield { rows, changedIn, resumeAt };
    }
    const last = sweep.changes.at(-1);
    if (last === undefined || sweep.changes.length < changesAtOnce) return horizon;
    position = last;
  }
}

export class ChangeFeed<Row extends Identified> {
  readonly #reader: ChangeReader<Row>;
  readonly #onError: (error: unknown) => void;
  readonly #everyMs: number;
  readonly #listeners = new Set<(changed: ChangedRows<Row>) => void>();
  /** What was told already and is read again, by id: changes of transactions at or above the cursor. */
  readonly #told = new Map<number, string>();
  #cursor: string | undefined;
  #announced = false;
  #reading = false;
  #timer: NodeJS.Timeout | undefined;

  /** @param options.onError told of a read that failed; the next one begins at the same place */
  constructor(options: { reader: ChangeReader<Row>; onError: (error: unknown) => void; everyMs?: number }) {
    this.#reader = options.reader;
    this.#onError = options.onError;
    this.#everyMs = options.everyMs ?? 500;
  }

  /** From where on a listener that joined has not been told anything; undefined before the first read. */
  get cursor(): string | undefined {
    return this.#cursor;
  }

  /** How many listen. */
  get size(): number {
    return this.#listeners.size;
  }

  /**
   * Calls `listener` with everything that changes from now on.
   * @returns where to go on later if nothing is told at all, and how to stop
   */
  async join(listener: (changed: ChangedRows<Row>) => void): Promise<{ resumeAt: string; leave: () => void }> {
    this.#listeners.add(listener);
    const leave = () => this.#leave(listener);
    const horizon = await this.#reader.horizon().catch((error: unknown) => {
      leave();
      throw error;
    });
    // Another one may have come first meanwhile, whose place is the one to go on from.
    this.#cursor ??= horizon;
    this.#timer ??= setInterval(() => this.announce(), this.#everyMs);
    return { resumeAt: horizon, leave };
  }

  /** Reads now, where anybody listens. */
  announce(): void {
    this.#announced = true;
    void this.#readAnnounced();
  }

  #leave(listener: (changed: ChangedRows<Row>) => void): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#cursor = undefined;
  }

  async #readAnnounced(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    try {
      while (this.#announced && this.#cursor !== undefined) {
        this.#announced = false;
        await this.#read(this.#cursor);
      }
    } catch (error) {
      this.#onError(error);
    } finally {
      this.#reading = false;
    }
  }

  async #read(from: string): Promise<void> {
    const isNews = ({ id, changedIn }: Change) => this.#told.get(id) !== changedIn;
    const batches = readChanges(this.#reader, from, null, isNews);
    let next = await batches.next();
    for (; !next.done; next = await batches.next()) {
      for (const listener of this.#listeners) listener(next.value);
      const { rows, changedIn } = next.value;
      for (const { id } of rows) this.#told.set(id, changedIn.get(id) ?? '');
    }
    if (this.#cursor !== undefined) this.#cursor = next.value;
    for (const [id, changedIn] of this.#told) {
      if (earlier(changedIn, next.value) !== next.value) this.#told.delete(id);
    }
  }
}

/** The lower of two numbers of transactions. */
export function earlier(first: string, second: string): string {
  return BigInt(first) < BigInt(second) ? first : second;
}
