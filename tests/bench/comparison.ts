import { median } from './statistics.ts';

/** Better where the ratio is as high, or as low, as `bound`. */
export type Bound = { atLeast: number } | { atMost: number };

/** One line of the table: a figure of this API and one that it is held against, from each of several rounds. */
export type Comparison = {
  measure: string;
  unit: string;
  against: string;
  ours: number[];
  theirs: number[];
  bound: Bound;
};

/** A figure that is held against a fixed one. */
export type Reading = { measure: string; unit: string; value: number; bound: Bound };

export type Row = Comparison | Reading;

/** What a measure is: takes its time, and tells rows. */
export type Measure = { name: string; run: (rounds: number) => Promise<Row[]> };

export type Verdict = { figure: number; least: number; most: number; holds: boolean };

/** The median of the rounds' ratios, ours to theirs, and how far they spread. */
export function judge(row: Row): Verdict {
  const figures =
    'value' in row ? [row.value] : row.ours.map((ours, round) => ours / (row.theirs[round] ?? Number.NaN));
  const figure = median(figures);
  const holds = 'atLeast' in row.bound ? figure >= row.bound.atLeast : figure <= row.bound.atMost;
  return { figure, least: Math.min(...figures), most: Math.max(...figures), holds };
}

export function describeBound(bound: Bound): string {
  return 'atLeast' in bound ? `≥ ${bound.atLeast}` : `≤ ${bound.atMost}`;
}
