/**
 * Text as a terminal would show it, in runs of one look each: colours and weights (ECMA-48's SGR) become class names,
 * every other control sequence is left out, and what is no sequence at all harms nothing.
 */
import { applySgr, classesOf, plain, type TerminalStyle } from './terminal-style.ts';

/** `classes` is empty for plain text. */
export type TextRun = { text: string; classes: string };

/** So many runs a text may have; what follows them is shown plain. A page of more would only slow the browser down. */
const runsAtMost = 4000;

const escapeCode = 0x1b;
const bell = 0x07;
const newline = 0x0a;
const carriageReturn = 0x0d;
const tab = 0x09;

/** Longer than any sequence that somebody meant. */
const parametersAtMost = 256;
const stringAtMost = 4096;

/** Reads the text once, in a time that grows with its length alone. */
export function terminalText(text: string): TextRun[] {
  const runs: TextRun[] = [];
  let line: TextRun[] = [];
  let style = plain;
  let returned = false;

  const endLine = (end: string) => {
    for (const run of line) append(runs, run);
    if (end !== '') append(runs, { text: end, classes: runs.at(-1)?.classes ?? '' });
    line = [];
    returned = false;
  };

  for (let index = 0; index < text.length; ) {
    const code = text.charCodeAt(index);
    if (code === escapeCode) {
      const sequence = readSequence(text, index);
      if (sequence.sgr !== null) style = applySgr(style, sequence.sgr);
      index = sequence.end;
    } else if (code === newline) {
      endLine('\n');
      index += 1;
    } else if (code === carriageReturn) {
      returned = true;
      index += 1;
    } else if (isControl(code)) index += 1;
    else {
      // Progress that was written over itself: a terminal would show the last of it.
      if (returned) line = [];
      returned = false;
      const end = endOfPlain(text, index);
      append(line, { text: text.slice(index, end), classes: lookOf(style, runs.length + line.length) });
      index = end;
    }
  }
  endLine('');
  return runs;
}

function lookOf(style: TerminalStyle, runsBefore: number): string {
  return runsBefore < runsAtMost ? classesOf(style) : '';
}

function append(runs: TextRun[], { text, classes }: TextRun): void {
  const last = runs.at(-1);
  if (last !== undefined && last.classes === classes) last.text += text;
  else runs.push({ text, classes });
}

/** C0 but for the tab, DEL, and C1. */
function isControl(code: number): boolean {
  return (code < 0x20 && code !== tab) || (code >= 0x7f && code <= 0x9f);
}

function endOfPlain(text: string, start: number): number {
  let end = start + 1;
  while (end < text.length && !isControl(text.charCodeAt(end))) end += 1;
  return end;
}

/** A sequence that begins at an ESC: where it ends, and its parameters where it is one of colours and weights. */
function readSequence(text: string, start: number): { end: number; sgr: string | null } {
  const introducer = text[start + 1] ?? '';
  if (introducer === '[') return readControlSequence(text, start + 2);
  if (introducer !== '' && ']PX^_'.includes(introducer)) return { end: endOfString(text, start + 2), sgr: null };
  let end = start + 1;
  while (isWithin(text, end, 0x20, 0x2f) && end - start < parametersAtMost) end += 1;
  return { end: isWithin(text, end, 0x30, 0x7e) ? end + 1 : end, sgr: null };
}

/** Parameters, intermediates and one final byte; where that is missing, what was read so far is left out. */
function readControlSequence(text: string, start: number): { end: number; sgr: string | null } {
  const limit = start + parametersAtMost;
  let end = start;
  while (end < limit && isWithin(text, end, 0x30, 0x3f)) end += 1;
  const parameters = text.slice(start, end);
  while (end < limit && isWithin(text, end, 0x20, 0x2f)) end += 1;
  if (!isWithin(text, end, 0x40, 0x7e)) return { end, sgr: null };
  const isSgr = text[end] === 'm' && /^[\d:;]*$/.test(parameters) && end === start + parameters.length;
  return { end: end + 1, sgr: isSgr ? parameters : null };
}

/** A string that a terminal keeps to itself, up to BEL or ESC \; of one without an end only the beginning is left out. */
function endOfString(text: string, start: number): number {
  for (let end = start; end < text.length && end - start < stringAtMost; end++) {
    const code = text.charCodeAt(end);
    if (code === bell) return end + 1;
    if (code === escapeCode) return text[end + 1] === '\\' ? end + 2 : start;
    if (code === newline) return start;
  }
  return start;
}

function isWithin(text: string, index: number, least: number, most: number): boolean {
  const code = text.charCodeAt(index);
  return code >= least && code <= most;
}
