import type { CallbackAnswer } from '../../lib/callback-request.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** How long after one failed attempt the next is due: the schedule that the Standard Webhooks specification recommends. */
const DELAYS_MS = [5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];
/** Receivers that were away together are not called again together. */
const JITTER = 0.2;
const MAXIMUM_RETRY_AFTER_MS = 24 * HOUR;

/**
 * Milliseconds from the end of the last attempt to the next one; 0 before the first, null once there is none left and
 * the delivery is dead. `random` gives a number from 0 up to 1. `retryAfterSeconds`, as the receiver asked, is
 * honoured where it is longer, up to 24 hours.
 */
export function nextAttemptDelayMs(
  attemptsMade: number,
  random: () => number,
  retryAfterSeconds?: number | null,
): number | null {
  if (!Number.isInteger(attemptsMade) || attemptsMade < 0) {
    throw new RangeError(`attemptsMade must be a whole number from 0 up, not ${attemptsMade}`);
  }
  if (attemptsMade === 0) return 0;
  const delayMs = DELAYS_MS[attemptsMade - 1];
  if (delayMs === undefined) return null;
  const jitteredMs = Math.round(delayMs * (1 - JITTER + 2 * JITTER * random()));
  const askedMs = Math.min((retryAfterSeconds ?? 0) * SECOND, MAXIMUM_RETRY_AFTER_MS);
  return Math.max(jitteredMs, askedMs);
}

/** What an attempt's answer means for its delivery: 2xx is success, 410 asks for no more, all else is tried again. */
export function classify({ status }: Pick<CallbackAnswer, 'status'>): 'delivered' | 'retry' | 'dead' {
  if (status === 410) return 'dead';
  return status !== null && status >= 200 && status <= 299 ? 'delivered' : 'retry';
}
