import { expect, test } from 'vitest';
import { parseDuration } from '../../lib/duration.ts';

test.each([
  ['45s', 45_000],
  ['30m', 1_800_000],
  ['24h', 86_400_000],
  ['90d', 7_776_000_000],
  ['2w', 1_209_600_000],
  ['0d', 0],
  ['0', 0],
])('%s is %d ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each(['', '90', 'd', '1.5h', '-1h', ' 1h', '1h ', '1H', '1 h', '1h30m', '1e3s', '1y', '9999999999s'])(
  '%j is no duration',
  (text) => {
    expect(parseDuration(text)).toBeNull();
  },
);
