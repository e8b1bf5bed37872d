/**
 * Makes a look that many may ask for: those who ask while one is under way share it, and its result serves for a while.
 * A failure serves nobody after those who waited for it.
 * @param options.forMs how long a result serves
 * @param options.now a monotonic clock, in milliseconds
 */
export function remembered<Result>(
  look: () => Promise<Result>,
  { forMs, now }: { forMs: number; now: () => number },
): () => Promise<Result> {
  let last: Promise<Result> | undefined;
  let until = Number.POSITIVE_INFINITY;
  return () => {
    if (last !== undefined && now() < until) return last;
    until = Number.POSITIVE_INFINITY;
    const looking = look();
    last = looking;
    looking.then(
      () => {
        until = now() + forMs;
      },
      () => {
        if (last === looking) last = undefined;
      },
    );
    return looking;
  };
}
