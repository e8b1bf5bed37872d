import { expect, test } from 'vitest';
import { drawPlots, type Plot } from './plot.ts';

const plot: Plot = {
  ...{ title: 'Cost & rows', x: 'rows', y: 'ms', logarithmic: false },
  series: [
    {
      name: 'read < write',
      points: [
        [1000, 1],
        [10_000, 2],
        [100_000, 4],
      ],
    },
    { name: 'write', points: [[1000, 3]] },
  ],
};

test('draws each series over a logarithmic x axis, from 0 up', () => {
  const svg = drawPlots([plot]);
  const [places = ''] = [...svg.matchAll(/<polyline points="([^"]+)"/g)].map(([, points]) => points);
  const [first, second, third] = places.split(' ').map((place) => place.split(',').map(Number) as [number, number]);
  if (!first || !second || !third) throw new Error(`three points were drawn as ${places}`);
  expect(second[0] - first[0]).toBeCloseTo(third[0] - second[0], 0);
  // Twice as high above 0 each time.
  expect(first[1] - third[1]).toBeCloseTo(3 * (first[1] - second[1]), 0);
  expect(svg.match(/<circle[^>]*r="3.5"/g)).toHaveLength(4);
  for (const label of ['Cost &amp; rows', 'read &lt; write', '1,000', '100,000']) expect(svg).toContain(`>${label}<`);
});

test('gives a factor the same height everywhere on a logarithmic y axis', () => {
  const svg = drawPlots([{ ...plot, logarithmic: true }]);
  const heights = [...(/<polyline points="([^"]+)"/.exec(svg)?.[1] ?? '').matchAll(/,(\S+)/g)].map(([, y]) =>
    Number(y),
  );
  expect((heights[0] ?? 0) - (heights[1] ?? 0)).toBeCloseTo((heights[1] ?? 0) - (heights[2] ?? 0), 0);
});

test('stacks plots in one picture', () => {
  const height = (plots: Plot[]) => Number(/<svg[^>]* height="(\d+)"/.exec(drawPlots(plots))?.[1]);
  expect(height([plot, plot])).toBe(2 * height([plot]));
});
