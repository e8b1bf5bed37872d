/**
 * The one lock that every dokku runs under, over all connections (the daemon's `flock` on its lock file).
 * First come, first served.
 */
export class CommandLock {
  #last: Promise<void> = Promise.resolve();

  /** Resolves, once the lock is ours, to the function that gives it back. */
  async acquire(): Promise<() => void> {
    const before = this.#last;
    let release: () => void = () => undefined;
    this.#last = new Promise((resolve) => {
      release = resolve;
    });
    await before;
    return release;
  }
}
