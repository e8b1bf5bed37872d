import { expect, test } from 'vitest';
import { fitLine } from './statistics.ts';

test('lays a line of least squares, and says how sure its slope is', () => {
  expect(
    fitLine([
      [100, 7],
      [200, 9],
      [300, 11],
    ]),
  ).toEqual({ slope: 0.02, standardError: 0 });
  // By hand: the middle is (2.5, 2.5), the sums of squares are 5 and 5, and 3.2 of the latter are left unexplained.
  const { slope, standardError } = fitLine([
    [1, 2],
    [2, 1],
    [3, 4],
    [4, 3],
  ]);
  expect(slope).toBeCloseTo(0.6);
  expect(standardError).toBeCloseTo(Math.sqrt(3.2 / 2 / 5));
});
