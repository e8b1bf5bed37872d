/** Wakes one waiter. A notification without a waiter is kept for the next wait, so that none falls between two looks. */
export class Notifier {
  #notified = false;
  #wake: (() => void) | undefined;

  notify(): void {
    this.#notified = true;
    this.#wake?.();
  }

  /**
   * Resolves at the next notification, after `timeoutMs`, or when the signal is aborted: whoever waited looks again.
   * @returns whether there was a notification
   */
  async wait(options: { timeoutMs?: number; signal?: AbortSignal } = {}): Promise<boolean> {
    if (!this.#notified && !options.signal?.aborted) {
      await new Promise<void>((resolve) => {
        const timer = options.timeoutMs === undefined ? undefined : setTimeout(resolve, options.timeoutMs);
        options.signal?.addEventListener('abort', this.#done, { once: true });
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      options.signal?.removeEventListener('abort', this.#done);
      this.#wake = undefined;
    }
    const notified = this.#notified;
    this.#notified = false;
    return notified;
  }

  readonly #done = () => this.#wake?.();
}
