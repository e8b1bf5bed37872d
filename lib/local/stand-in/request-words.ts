import type { HostRoot } from './host-root.ts';
import { expandPath } from './path-expansion.ts';

/**
 * The words that bash makes of a request line (latin1, without its newline): NUL bytes are dropped, blanks and tabs
 * part the words, quotes and `$` mean nothing, and each word is expanded to the paths that it matches.
 */
export function requestWords(line: string, root: HostRoot): string[] {
  return line
    .replaceAll('\0', '')
    .split(/[ \t]+/)
    .filter((word) => word !== '')
    .flatMap((word) => expandPath(word, root));
}

export interface Redirect {
  direction: 'in' | 'out';
  path: string;
}

/**
 * Takes a redirect off the words: the second-last word holds `<` or `>` anywhere (the first of the two wins), the
 * last one is the path. Both words are gone from the command then.
 */
export function takeRedirect(words: string[]): { words: string[]; redirect: Redirect | null } {
  const operator = words.at(-2);
  const path = words.at(-1);
  if (operator === undefined || path === undefined) return { words, redirect: null };
  if (operator.includes('<')) return { words: words.slice(0, -2), redirect: { direction: 'in', path } };
  if (operator.includes('>')) return { words: words.slice(0, -2), redirect: { direction: 'out', path } };
  return { words, redirect: null };
}
