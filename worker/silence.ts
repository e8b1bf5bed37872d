/**
 * How long others have shown no sign of life, on this process' monotonic clock alone: no time that another machine
 * wrote is ever compared. Whatever disturbs the looking starts every count anew, so that an outage kills nobody.
 */
export class Silence {
  readonly #now: () => number;
  readonly #longestGapMs: number;
  readonly #seen = new Map<string, { sign: string; since: number }>();
  #lastLook: number | undefined;

  /**
   * @param now a monotonic clock, in milliseconds
   * @param longestGapMs looks further apart than this do not connect: in between, the others may have been unable to
   *   give their sign too
   */
  constructor(now: () => number, longestGapMs: number) {
    this.#now = now;
    this.#longestGapMs = longestGapMs;
  }

  /** Takes in one look at everybody: a sign that differs from the last one is life. */
  look(signs: ReadonlyMap<string, string>): void {
    const now = this.#now();
    if (this.#lastLook !== undefined && now - this.#lastLook > this.#longestGapMs) this.#seen.clear();
    this.#lastLook = now;
    for (const name of this.#seen.keys()) if (!signs.has(name)) this.#seen.delete(name);
    for (const [name, sign] of signs) {
      if (this.#seen.get(name)?.sign !== sign) this.#seen.set(name, { sign, since: now });
    }
  }

  /** A look that failed: nothing is known, every count starts anew. */
  lookFailed(): void {
    this.#seen.clear();
    this.#lastLook = undefined;
  }

  /** Milliseconds for which the same sign was seen; 0 for who was never seen. */
  silentMs(name: string): number {
    const seen = this.#seen.get(name);
    return seen ? this.#now() - seen.since : 0;
  }
}
