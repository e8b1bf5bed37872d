import { parseBracket } from './bracket-expression.ts';

/** Escapes of GNU's basic regular expressions that JavaScript spells otherwise, or the same. */
const ESCAPES = new Map([
  ['<', '\\b(?=\\w)'],
  ['>', '\\b(?<=\\w)'],
  ['b', '\\b'],
  ['B', '\\B'],
  ['w', '\\w'],
  ['W', '\\W'],
  ['s', '\\s'],
  ['S', '\\S'],
  ['`', '^'],
  ["'", '$'],
]);

function literal(character: string): string {
  return /[\\^$.*+?()[\]{}|/]/.test(character) ? `\\${character}` : character;
}

/**
 * Reads a POSIX basic regular expression as GNU grep does: the daemon hands its words to grep as patterns, and what
 * grep refuses is an invalid command. Returns null for an expression that grep refuses.
 */
export function parseBasicExpression(text: string): RegExp | null {
  const levels: string[][] = [[]];
  let pieces: string[] = [];
  levels[0] = pieces;
  let groups = 0;
  // at the start of an expression `^` is an anchor and a repetition is a character; after an anchor only the latter
  let atStart = true;
  let nothingToRepeat = true;
  let position = 0;
  const repeat = (operator: string): void => {
    pieces.push(`(?:${pieces.pop() ?? ''})${operator}`);
  };
  const add = (piece: string): void => {
    pieces.push(piece);
    atStart = false;
    nothingToRepeat = false;
  };

  while (position < text.length) {
    const character = text[position] ?? '';
    position += 1;
    if (character === '*') {
      if (nothingToRepeat) add('\\*');
      else repeat('*');
    } else if (character === '.') {
      add('[^\\n]');
    } else if (character === '[') {
      // `[:alpha:]` without outer brackets is refused as a likely mistake
      if (/^:[^:\]]+:\]/.test(text.slice(position))) return null;
      const bracket = parseBracket(text, position - 1, { negators: '^', backslash: 'literal' });
      if (typeof bracket === 'string') return null;
      position = bracket.end;
      add(bracket.source);
    } else if (character === '^') {
      if (atStart) {
        pieces.push('^');
        atStart = false;
      } else add('\\^');
    } else if (character === '$') {
      const rest = text.slice(position, position + 2);
      if (rest === '' || rest === '\\)' || rest === '\\|') pieces.push('$');
      else add('\\$');
    } else if (character !== '\\') {
      add(literal(character));
    } else {
      const escaped = text[position];
      if (escaped === undefined) return null;
      position += 1;
      if (escaped === '(') {
        groups += 1;
        pieces = [];
        levels.push(pieces);
        atStart = true;
        nothingToRepeat = true;
      } else if (escaped === ')') {
        const inner = levels.pop();
        const outer = levels.at(-1);
        if (inner === undefined || outer === undefined) return null;
        pieces = outer;
        add(`(${inner.join('')})`);
      } else if (escaped === '|') {
        pieces.push('|');
        atStart = true;
        nothingToRepeat = true;
      } else if (escaped === '{' && nothingToRepeat) {
        add('\\{');
      } else if (escaped === '{') {
        const interval = /^(\d*)(,?)(\d*)\\\}/.exec(text.slice(position, position + 16));
        if (interval === null) return null;
        const [whole, least = '', comma = '', most = ''] = interval;
        if ((least === '' && comma === '') || Number(least) > 32767 || Number(most) > 32767) return null;
        if (most !== '' && Number(most) < Number(least)) return null;
        position += whole.length;
        repeat(`{${least === '' ? '0' : least}${comma}${most}}`);
      } else if (escaped === '+' || escaped === '?') {
        if (nothingToRepeat) add(literal(escaped));
        else repeat(escaped);
      } else if (/[1-9]/.test(escaped)) {
        if (Number(escaped) > groups - (levels.length - 1)) return null;
        add(`(?:\\${escaped})`);
      } else {
        add(ESCAPES.get(escaped) ?? literal(escaped));
      }
    }
  }
  return levels.length === 1 ? new RegExp(pieces.join('')) : null;
}
