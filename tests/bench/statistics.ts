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
