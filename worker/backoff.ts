import { setTimeout as sleep } from 'node:timers/promises';

/** Waits `ms`, or until the signal is aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    if (!(error instanceof Error && error.name === 'AbortError')) throw error;
  }
}

/** 100 ms, 200 ms, 400 ms … up to `mostMs`, for the failures in a row counted from 0. */
export function backoffMs(failures: number, mostMs: number): number {
  return Math.min(100 * 2 ** Math.min(failures, 20), mostMs);
}
