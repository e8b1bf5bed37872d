import type { LeaseClaim } from '../db/leases.ts';
import { Notifier } from './notifier.ts';

/** A lease as long as this process holds it. Once ended it is never revived: a new one comes with a new epoch. */
export class HeldLease implements LeaseClaim {
  readonly server: string;
  readonly owner: string;
  readonly epoch: number;
  /** Dokku may be busy with a command that nobody waits for: nothing is claimed until its lock was seen free. */
  blocked: boolean;
  /** The daemon has been out of reach from here for so long that another replica should try. */
  unreachable = false;
  /** Asks for a look at the queue, or at this lease. */
  readonly attention = new Notifier();
  #lastBeatBegan: number;
  #idle = false;
  #releaseAsked = false;
  readonly #ended = new AbortController();
  readonly #now: () => number;
  readonly #leaseMs: number;
  readonly #onIdle: () => void;

  /** @param beatBegan when the query that took the lease began, by the monotonic clock `now` */
  constructor(
    claim: LeaseClaim & { blocked: boolean },
    options: { now: () => number; leaseMs: number; beatBegan: number; onIdle: () => void },
  ) {
    this.server = claim.server;
    this.owner = claim.owner;
    this.epoch = claim.epoch;
    this.blocked = claim.blocked;
    this.#now = options.now;
    this.#leaseMs = options.leaseMs;
    this.#lastBeatBegan = options.beatBegan;
    this.#onIdle = options.onIdle;
  }

  /** Nothing in hand, and nothing known to wait. */
  get idle(): boolean {
    return this.#idle;
  }

  set idle(idle: boolean) {
    this.#idle = idle;
    if (idle) this.#onIdle();
  }

  /** A beat succeeded. What counts is when it began: others may have seen it since. */
  confirm(beatBegan: number): void {
    const wasFresh = this.fresh;
    this.#lastBeatBegan = Math.max(this.#lastBeatBegan, beatBegan);
    if (!wasFresh) this.attention.notify();
  }

  /** Whether something may be sent: nobody can have taken the lease over yet, with three tenths of it to spare. */
  get fresh(): boolean {
    return !this.ended && this.#now() - this.#lastBeatBegan <= 0.7 * this.#leaseMs;
  }

  /** Somebody else has it, or it was released. What was already sent is still read. */
  end(): void {
    this.#ended.abort();
    this.attention.notify();
  }

  get ended(): boolean {
    return this.#ended.signal.aborted;
  }

  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Asks whoever runs the server to release the lease as soon as nothing is in hand. */
  askRelease(): void {
    this.#releaseAsked = true;
    this.attention.notify();
  }

  get releaseAsked(): boolean {
    return this.#releaseAsked;
  }
}
