/** The sequence for "cursor to column 1" that Dokku puts before its progress lines: it is no part of the text. */
export const cursorToColumnOne = '\u001b[1G';

/**
 * The text of an output's bytes. What is not UTF-8, and U+0000, which Postgres cannot store, become U+FFFD. A byte
 * order mark is text like any other.
 * @param cut whether the bytes end where a limit fell: then half a character at their end is left out
 */
export function outputText(bytes: Buffer, cut: boolean): string {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes, { stream: cut });
  return text.replaceAll('\0', '\uFFFD');
}
