/** The part of a long text that a page shows. */
import type { TextEnds } from '../../db/command-view.ts';

/** Of each end of a text that is too long to be shown whole. */
export const endCharacters = 40_000;

/** `hiddenBytes` stand between the two ends. */
export type ShownText = { whole: string } | { head: string; tail: string; hiddenBytes: number };

export function shownText(text: TextEnds): ShownText {
  if ('whole' in text && text.whole.length <= 2 * endCharacters) return { whole: text.whole };
  const head = untilLastLine('whole' in text ? text.whole.slice(0, endCharacters) : text.head);
  const tail = fromNextLine('whole' in text ? text.whole.slice(-endCharacters) : text.tail);
  return { head, tail, hiddenBytes: text.bytes - Buffer.byteLength(head) - Buffer.byteLength(tail) };
}

/** A line that was cut is left out, unless it is most of the text. */
function untilLastLine(text: string): string {
  const end = text.lastIndexOf('\n');
  return end > text.length / 2 ? text.slice(0, end) : withoutHalfCharacter(text);
}

function fromNextLine(text: string): string {
  const start = text.indexOf('\n');
  return start !== -1 && start < text.length / 2 ? text.slice(start + 1) : withoutHalfCharacter(text);
}

/** A pair of surrogates that was cut in two would be shown as two unknown characters. */
function withoutHalfCharacter(text: string): string {
  return text.replace(/^[\uDC00-\uDFFF]|[\uD800-\uDBFF]$/g, '');
}
