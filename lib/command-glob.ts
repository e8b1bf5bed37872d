type Element =
  | { kind: 'run' }
  | { kind: 'any' }
  | { kind: 'literal'; character: string }
  | { kind: 'set'; has: (character: string) => boolean }
  /** From here on bash alone knows. */
  | { kind: 'unsettled' };

/** The classes that bash knows, within ASCII. */
const CLASSES = new Map<string, RegExp>([
  ['alnum', /[A-Za-z0-9]/],
  ['alpha', /[A-Za-z]/],
  ['ascii', /\p{ASCII}/u],
  ['blank', /[ \t]/],
  ['cntrl', /\p{Cc}/u],
  ['digit', /[0-9]/],
  ['graph', /[!-~]/],
  ['lower', /[a-z]/],
  ['print', /[ -~]/],
  ['punct', /[!-/:-@[-`{-~]/],
  ['space', /\s/],
  ['upper', /[A-Z]/],
  ['word', /[A-Za-z0-9_]/],
  ['xdigit', /[A-Fa-f0-9]/],
]);

/**
 * Makes the question whether bash (C.UTF-8, its default options) may expand a pattern to one of these file names. Names
 * and patterns may not hold `/`, patterns no backslash.
 *
 * Where releases of bash differ, or the reading depends on the name (collating symbols, equivalence classes, unknown or
 * unclosed classes, classes of characters beyond ASCII), the answer is yes. It takes time of the order of the pattern's
 * length times the longest name's, and per name of the square of the name's length, at most.
 */
export function globMatcher(names: readonly string[]): (pattern: string) => boolean {
  const targets = names.map(charactersOf);
  const longest = targets.reduce((length, target) => Math.max(length, target.length), 0);
  return (pattern) => {
    const elements = readPattern(charactersOf(pattern), longest);
    if (elements === undefined) return false;
    return targets.some((target) => (target[0] !== '.' || pattern.startsWith('.')) && matches(elements, target));
  };
}

/** Going back to the last run alone is enough, and keeps hostile patterns from taking exponential time. */
function matches(elements: readonly Element[], characters: ArrayLike<string>): boolean {
  const end = elements.at(-1);
  if (end?.kind === 'literal' && end.character !== characters[characters.length - 1]) return false;

  let at = 0;
  let place = 0;
  let behindRun: number | undefined;
  let retried = 0;
  for (;;) {
    const element = elements[at];
    const character = characters[place];
    if (element === undefined && character === undefined) return true;
    if (element?.kind === 'unsettled') return true;
    if (element?.kind === 'run') {
      at += 1;
      behindRun = at;
      retried = place;
    } else if (element !== undefined && character !== undefined && accepts(element, character)) {
      at += 1;
      place += 1;
    } else {
      if (behindRun === undefined || retried >= characters.length) return false;
      retried += 1;
      place = retried;
      at = behindRun;
    }
  }
}

function accepts(element: Exclude<Element, { kind: 'run' | 'unsettled' }>, character: string): boolean {
  switch (element.kind) {
    case 'any':
      return true;
    case 'literal':
      return element.character === character;
    case 'set':
      return element.has(character);
  }
}

/** Undefined where the pattern asks for more characters than `longest`, which keeps long ones from taking quadratic time. */
function readPattern(symbols: ArrayLike<string>, longest: number): Element[] | undefined {
  const elements: Element[] = [];
  let lastClose = symbols.length - 1;
  while (lastClose >= 0 && symbols[lastClose] !== ']') lastClose -= 1;
  let asked = 0;
  let at = 0;
  while (at < symbols.length) {
    const symbol = symbols[at] ?? '';
    if (symbol === '*') {
      if (elements.at(-1)?.kind !== 'run') elements.push({ kind: 'run' });
      at += 1;
      continue;
    }
    const bracket = symbol === '[' && at < lastClose ? readBracket(symbols, at + 1) : undefined;
    const plain: Element = symbol === '?' ? { kind: 'any' } : { kind: 'literal', character: symbol };
    const element = bracket?.element ?? plain;
    elements.push(element);
    if (element.kind === 'unsettled') return elements;
    asked += 1;
    if (asked > longest) return undefined;
    at = bracket?.end ?? at + 1;
  }
  return elements;
}

/** Reads from behind the `[`; undefined where no `]` closes it, which makes the `[` an ordinary character. */
function readBracket(symbols: ArrayLike<string>, start: number): { element: Element; end: number } | undefined {
  const negated = symbols[start] === '!' || symbols[start] === '^';
  const opening = negated ? start + 1 : start;
  const members: ((character: string) => boolean)[] = [];
  let classes = false;
  let at = opening;
  for (;;) {
    const symbol = symbols[at];
    if (symbol === undefined) return undefined;
    if (symbol === ']' && at > opening) break;
    const last = symbols[at + 2];
    const ranged = symbols[at + 1] === '-' && last !== ']' && last !== undefined;
    if (symbol === '[' && ['.', '=', ':'].includes(symbols[at + 1] ?? '')) {
      const name = readClassName(symbols, at);
      const expected = CLASSES.get(name);
      if (expected === undefined) return { element: { kind: 'unsettled' }, end: symbols.length };
      members.push((character) => expected.test(character));
      classes = true;
      at += name.length + 4;
    } else if (!ranged) {
      members.push((character) => character === symbol);
      at += 1;
    } else if (last === '[') {
      return { element: { kind: 'unsettled' }, end: symbols.length };
    } else {
      members.push((character) => isBetween(symbol, character, last));
      at += 3;
    }
  }
  const has = (character: string) =>
    (classes && !/\p{ASCII}/u.test(character)) || members.some((member) => member(character)) !== negated;
  return { element: { kind: 'set', has: remembering(has) }, end: at + 1 };
}

/** The name in `[:name:]`, empty where there is none that could be known. */
function readClassName(symbols: ArrayLike<string>, at: number): string {
  let written = '';
  // The longest name known has six letters.
  for (let offset = 0; offset < 10; offset += 1) written += symbols[at + offset] ?? '';
  return /^\[:([a-z]+):\]/.exec(written)?.[1] ?? '';
}

/** A set of thousands of members is then gone through once per character, and not once per name and place. */
function remembering(test: (character: string) => boolean): (character: string) => boolean {
  const known = new Map<string, boolean>();
  return (character) => {
    const result = known.get(character) ?? test(character);
    known.set(character, result);
    return result;
  };
}

function isBetween(low: string, character: string, high: string): boolean {
  const code = codePoint(character);
  return codePoint(low) <= code && code <= codePoint(high);
}

function codePoint(character: string): number {
  return character.codePointAt(0) ?? 0;
}

/** Characters as bash counts them. A string that is all ASCII serves as it is: copying is what takes the time here. */
function charactersOf(text: string): ArrayLike<string> {
  return /^\p{ASCII}*$/u.test(text) ? text : [...text];
}
