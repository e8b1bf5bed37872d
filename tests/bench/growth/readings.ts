import type { Series } from '../plot.ts';

/**
 * What was read in several passes, in the order of its names and numbers. Others use the machine too, in turns that are
 * longer than a reading: of each point the pass with the least disturbance counts.
 */
export class Readings {
  readonly #series = new Map<string, Map<number, number[]>>();

  add(name: string, x: number, value: number): void {
    const points = this.#series.get(name) ?? new Map<number, number[]>();
    this.#series.set(name, points);
    points.set(x, [...(points.get(x) ?? []), value]);
  }

  /** Of each point the least of its readings, where they are costs, or else the most. */
  best(pick: 'least' | 'most'): Series[] {
    const choose = pick === 'least' ? Math.min : Math.max;
    return [...this.#series].map(([name, points]) => ({
      name,
      points: [...points].map(([x, values]) => [x, choose(...values)] as const),
    }));
  }
}
