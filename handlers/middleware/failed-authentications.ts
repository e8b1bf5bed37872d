import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { addressGroup } from './client-address.ts';

/** Wrong credentials from one address, a minute and process. */
const failuresAtMost = 20;

/** Counts wrong credentials by the address that they came from, whichever form they came in. */
export class FailedAuthentications {
  readonly #counts = new RateLimiterMemory({ points: failuresAtMost, duration: 60 });

  /** @returns the seconds to wait before the next try; null where this one was not one too many */
  async count(address: string): Promise<number | null> {
    try {
      await this.#counts.consume(addressGroup(address));
      return null;
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal;
      return Math.max(1, Math.ceil(refusal.msBeforeNext / 1000));
    }
  }
}
