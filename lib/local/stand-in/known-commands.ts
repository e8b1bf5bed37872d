import { parseBasicExpression } from './basic-expression.ts';

/** The longest single argument that Linux passes to a program, its closing NUL included. */
const MAX_ARGUMENT_BYTES = 131_072;

const SINGLE_FLAGS = new Set(['--quiet', '--detach', '--trace', '--rm-container', '--rm', '--force']);

/**
 * The list that the daemon keeps of what `dokku help --all` names, and its loose check against it. The daemon hands
 * the words of a line to grep as one pattern a word: the first is anchored at its start, the last at its end, the
 * ones between not at all. So any one word may make the line valid, and a word that grep refuses makes it invalid.
 */
export class KnownCommands {
  readonly #own: string[];
  #given: string[] | null = null;
  #refreshes = 0;

  constructor(own: string[]) {
    this.#own = own;
  }

  /** Puts another list in place of the own one; null takes it away again. */
  replace(commands: string[] | null): void {
    this.#given = commands;
  }

  /** Empty while it is made anew: every command is invalid then. */
  list(): string[] {
    return this.#refreshes > 0 ? [] : (this.#given ?? this.#own);
  }

  async refresh(work: () => Promise<void>): Promise<void> {
    this.#refreshes += 1;
    try {
      await work();
    } finally {
      this.#refreshes -= 1;
    }
  }

  /** `words` as latin1, one character a byte. */
  accepts(words: string[]): boolean {
    const text = withoutFlags(words).join(' ').replaceAll(' ', '\n');
    return this.#matches(text) || text.endsWith('help');
  }

  #matches(text: string): boolean {
    if (text.length + '^$\0'.length > MAX_ARGUMENT_BYTES) return false;
    const expressions: RegExp[] = [];
    for (const line of `^${text}$`.split('\n')) {
      const expression = parseBasicExpression(line);
      if (expression === null) return false;
      expressions.push(expression);
    }
    const commands = this.list();
    return expressions.some((expression) => commands.some((command) => expression.test(command)));
  }
}

/**
 * The daemon drops flags with `shift`, which drops words from the front, wherever the flag stands: `--force` counts
 * only as the first word. What is left goes through `echo`, which takes leading options of its own.
 */
function withoutFlags(words: string[]): string[] {
  const left = [...words];
  for (const word of words) {
    if (SINGLE_FLAGS.has(word)) left.shift();
    else if (word === '--app' && left.length >= 2) left.splice(0, 2);
  }
  while (left[0] !== undefined && /^-[neE]+$/.test(left[0])) left.shift();
  return left;
}
