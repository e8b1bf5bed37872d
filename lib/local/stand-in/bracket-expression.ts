const CLASSES = new Map([
  ['alnum', '0-9A-Za-z'],
  ['alpha', 'A-Za-z'],
  ['blank', ' \\t'],
  ['cntrl', '\\x00-\\x1f\\x7f'],
  ['digit', '0-9'],
  ['graph', '\\x21-\\x7e'],
  ['lower', 'a-z'],
  ['print', '\\x20-\\x7e'],
  ['punct', '\\x21-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x7e'],
  ['space', ' \\t\\n\\v\\f\\r'],
  ['upper', 'A-Z'],
  ['xdigit', '0-9A-Fa-f'],
]);

export interface BracketExpression {
  /** The same as a JavaScript character class. */
  source: string;
  /** Where the text goes on after the closing bracket. */
  end: number;
}

export type BracketFailure = 'unclosed' | 'invalid';

interface BracketDialect {
  /** Characters that negate when they come first: `^` in regular expressions, `!` too in shell patterns. */
  negators: string;
  /** Whether a backslash takes the next character as itself (shell patterns) or is one itself (POSIX). */
  backslash: 'escapes' | 'literal';
}

function quoted(character: string): string {
  return /[\\\]^[-]/.test(character) ? `\\${character}` : character;
}

/**
 * Reads a bracket expression (`[a-z]`, `[^x]`, `[[:digit:]]`) whose `[` stands at `start`.
 * `unclosed`: no closing bracket. `invalid`: a backward range, or a class that does not exist.
 */
export function parseBracket(text: string, start: number, dialect: BracketDialect): BracketExpression | BracketFailure {
  let position = start + 1;
  let source = '[';
  const first = text[position];
  if (first !== undefined && dialect.negators.includes(first)) {
    source += '^';
    position += 1;
  }
  const contentStart = position;
  for (;;) {
    const item = readItem(text, position, dialect);
    if (item === null) return 'unclosed';
    if (item === 'invalid') return 'invalid';
    if (item.kind === 'close' && position > contentStart) return { source: `${source}]`, end: item.end };
    position = item.end;
    if (item.kind === 'class') {
      source += item.text;
      continue;
    }
    const upper = text[position] === '-' && text[position + 1] !== ']' ? readItem(text, position + 1, dialect) : null;
    if (upper === 'invalid') return 'invalid';
    if (upper === null || upper.kind === 'close') {
      source += quoted(item.text);
      continue;
    }
    if (upper.kind === 'class' || upper.text < item.text) return 'invalid';
    source += `${quoted(item.text)}-${quoted(upper.text)}`;
    position = upper.end;
  }
}

type BracketItem = { kind: 'character' | 'class' | 'close'; text: string; end: number };

function readItem(text: string, position: number, dialect: BracketDialect): BracketItem | 'invalid' | null {
  const character = text[position];
  if (character === undefined) return null;
  if (character === ']') return { kind: 'close', text: ']', end: position + 1 };
  if (character === '\\' && dialect.backslash === 'escapes') {
    const next = text[position + 1];
    return next === undefined ? null : { kind: 'character', text: next, end: position + 2 };
  }
  const special = character === '[' ? text[position + 1] : undefined;
  if (special !== ':' && special !== '=' && special !== '.') {
    return { kind: 'character', text: character, end: position + 1 };
  }
  const close = text.indexOf(`${special}]`, position + 2);
  if (close === -1) return null;
  const name = text.slice(position + 2, close);
  if (special === ':') {
    const members = CLASSES.get(name);
    return members === undefined ? 'invalid' : { kind: 'class', text: members, end: close + 2 };
  }
  return name.length === 1 ? { kind: 'character', text: name, end: close + 2 } : 'invalid';
}
