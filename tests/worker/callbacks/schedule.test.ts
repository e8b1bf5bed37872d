import { describe, expect, test } from 'vitest';
import { classify, nextAttemptDelayMs } from '../../../worker/callbacks/schedule.ts';

const middle = () => 0.5;
const DAY_SECONDS = 24 * 60 * 60;

describe('nextAttemptDelayMs', () => {
  test('at once, then 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h, then dead', () => {
    const delays = Array.from({ length: 12 }, (_, attemptsMade) => nextAttemptDelayMs(attemptsMade, middle));
    const hours = (count: number) => count * 3_600_000;
    expect(delays).toEqual([
      0,
      5_000,
      300_000,
      1_800_000,
      hours(2),
      hours(5),
      hours(10),
      hours(14),
      hours(20),
      hours(24),
      null,
      null,
    ]);
  });

  test('spreads by a fifth either way, and not the first', () => {
    for (let attemptsMade = 1; attemptsMade <= 9; attemptsMade += 1) {
      const planned = nextAttemptDelayMs(attemptsMade, middle) ?? Number.NaN;
      expect(nextAttemptDelayMs(attemptsMade, () => 0)).toBe(Math.round(planned * 0.8));
      const most = nextAttemptDelayMs(attemptsMade, () => 1 - Number.EPSILON) ?? Number.NaN;
      expect(most / planned).toBeCloseTo(1.2, 6);
    }
    expect(nextAttemptDelayMs(0, () => 0)).toBe(0);
  });

  test('a longer Retry-After is honoured to the second, up to 24 hours', () => {
    expect(nextAttemptDelayMs(1, () => 0, 120)).toBe(120_000);
    expect(nextAttemptDelayMs(1, middle, DAY_SECONDS)).toBe(DAY_SECONDS * 1000);
    expect(nextAttemptDelayMs(1, middle, DAY_SECONDS * 30)).toBe(DAY_SECONDS * 1000);
  });

  test('a shorter Retry-After, or none, changes nothing', () => {
    for (const asked of [0, 4, null, undefined]) expect(nextAttemptDelayMs(1, middle, asked)).toBe(5_000);
    expect(nextAttemptDelayMs(9, () => 0.999, DAY_SECONDS)).toBeGreaterThan(DAY_SECONDS * 1000);
  });

  test('a Retry-After brings no dead delivery back', () => {
    expect(nextAttemptDelayMs(10, middle, 60)).toBeNull();
  });

  test.each([-1, 1.5, Number.NaN])('%d attempts made is a fault of ours', (attemptsMade) => {
    expect(() => nextAttemptDelayMs(attemptsMade, middle)).toThrow(RangeError);
  });
});

describe('classify', () => {
  test.each([
    ['delivered', [200, 201, 202, 204, 226, 299]],
    ['dead', [410]],
    [
      'retry',
      [null, 300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 408, 409, 411, 429, 500, 502, 503, 504, 599],
    ],
  ] as const)('%s', (outcome, statuses) => {
    for (const status of statuses) expect([status, classify({ status })]).toEqual([status, outcome]);
  });
});
