/** Splits a line at spaces and tabs, and at nothing else: what bash does to `$input` without quotes. */
export function splitWords(line: string): string[] {
  return line.split(/[\t ]+/).filter((word) => word !== '');
}

/**
 * The word lists that a daemon may make of a line, one or two.
 *
 * dokku-daemon 0.0.2 keeps backslashes. Its predecessors `read` without `-r`, which drops each backslash and keeps the
 * character after it: `-\t` was `-t` there, and `a \ b` two words. Nothing tells us which one listens, so whatever is
 * refused is refused in both readings.
 */
export function commandReadings(line: string): string[][] {
  const kept = splitWords(line);
  return line.includes('\\') ? [kept, splitWords(line.replace(/\\(.?)/gu, '$1'))] : [kept];
}

/** Whether the daemon takes the last two of these words for a redirection, and not for arguments. */
export function isRedirected(words: readonly string[]): boolean {
  return /[<>]/.test(words.at(-2) ?? '');
}
