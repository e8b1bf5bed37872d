const quietMs = 10_000;

/**
 * For what fails again at every try: says it, and then nothing for ten seconds.
 * @param now a monotonic clock, in milliseconds
 */
export function onceInAWhile(now: () => number, say: (error: unknown) => void): (error: unknown) => void {
  let saidAt = Number.NEGATIVE_INFINITY;
  return (error) => {
    if (now() - saidAt < quietMs) return;
    saidAt = now();
    say(error);
  };
}
