/** The value below which `share` of the numbers lie. */
export function quantile(numbers: readonly number[], share: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

export const median = (numbers: readonly number[]) => quantile(numbers, 0.5);

/** How long each task took, in milliseconds, at most `atOnce` of them at a time. */
export async function timed(tasks: Iterable<() => Promise<unknown>>, atOnce: number): Promise<number[]> {
  const durations: number[] = [];
  const rest = tasks[Symbol.iterator]();
  const worker = async () => {
    for (let next = rest.next(); !next.done; next = rest.next()) {
      const began = performance.now();
      await next.value();
      durations.push(performance.now() - began);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return durations;
}

export const repeated = <Task>(task: Task, times: number): Task[] => Array.from({ length: times }, () => task);

export const mean = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;

/** The line of least squares through points: how much y rises for one of x, and the standard error of that. */
export function fitLine(points: readonly (readonly [x: number, y: number])[]): {
  slope: number;
  standardError: number;
} {
  const middle = { x: mean(points.map(([x]) => x)), y: mean(points.map(([, y]) => y)) };
  const sum = (term: (x: number, y: number) => number) =>
    points.reduce((total, [x, y]) => total + term(x - middle.x, y - middle.y), 0);
  const spread = sum((x) => x * x);
  const slope = sum((x, y) => x * y) / spread;
  const unexplained = sum((x, y) => (y - slope * x) ** 2);
  return { slope, standardError: Math.sqrt(unexplained / (points.length - 2) / spread) };
}
