import { checkCommandLine } from './command-line.ts';
import { commandReadings, isRedirected, splitWords } from './command-readings.ts';

/** The longest rule, in UTF-16 code units. */
export const RULE_MAX_LENGTH = 1024;

/** A rule of a key, ready to match. */
export interface Rule {
  words: readonly RuleWord[];
  /** Whether `**` ends the rule. */
  rest: boolean;
}

interface RuleWord {
  text: string;
  /** What stands between the wildcards: one part where there is none. */
  parts: readonly string[];
}

/** What is wrong with a rule, and what to write instead. */
export interface RuleProblem {
  detail: string;
}

/** `rule` is as given, and null where the key has none. */
export type RuleMatch = { allowed: true; rule: string | null } | { allowed: false };

/** The daemon itself answers these, where they come first. */
const DAEMON_BUILTINS: ReadonlySet<string> = new Set(['commands', 'refresh']);

/** They choose the app, or every app, in place of the word that a rule looks at. */
const TARGET_OPTIONS: ReadonlySet<string> = new Set(['app', 'all', 'global']);

/** Reads a rule: words, `*` for any one word or part of a word, `**` at the end for any further words, even none. */
export function parseRule(text: string): Rule | RuleProblem {
  const words = splitWords(text);
  const last = words.at(-1);
  if (last === undefined) return { detail: 'A rule needs at least one word: write a command, such as apps:list.' };
  if (text.length > RULE_MAX_LENGTH) {
    return { detail: `A rule may have ${RULE_MAX_LENGTH} characters at most: write several shorter ones.` };
  }
  if (/[^\P{Cc}\t]|[\u2028\u2029]|\p{Surrogate}/u.test(text)) {
    return { detail: 'A rule may hold no control characters: write it on one line of plain text.' };
  }
  if (/[\\?[]/.test(text)) {
    return { detail: 'A rule may hold no \\, ? or [: the only wildcards are * and, as the last word, **.' };
  }
  const rest = last === '**';
  const named = rest ? words.slice(0, -1) : words;
  if (named.some((word) => word.includes('**'))) {
    return { detail: '** may only stand alone as the last word of a rule: elsewhere write * for one word.' };
  }
  if (named.some((word) => word.includes('*') && isTargetOption(word))) {
    return { detail: '--app, --all and --global take no wildcard: write the option and its value out in full.' };
  }
  return { words: named.map((word) => ({ text: word, parts: word.split('*') })), rest };
}

/**
 * Whether a key with these rules may run the command, and the first rule that lets it. No rules at all allow everything.
 *
 * A rule that `parseRule` refuses allows nothing, and no rule allows what `checkCommandLine` refuses, redirections aside:
 * whether a key may have those is not a matter of its rules. But a rule has to spell the redirecting word out.
 */
export function matchRules(rules: readonly string[], command: string): RuleMatch {
  if (rules.length === 0) return { allowed: true, rule: null };
  const checked = checkCommandLine(command, { allowRedirects: true, socketNames: [] });
  if ('code' in checked) return { allowed: false };
  const readings = commandReadings(checked.command).map(readCandidates);
  for (const text of rules) {
    const rule = parseRule(text);
    if ('detail' in rule) continue;
    if (readings.every((candidates) => matches(rule, candidates))) return { allowed: true, rule: text };
  }
  return { allowed: false };
}

/** The words of a command, with what each may be matched by. */
interface Candidates {
  words: readonly string[];
  /** Whether a word has to be spelt out by the rule. */
  literal: readonly boolean[];
  /** The index from which on `**` may match all words. */
  restFrom: number;
}

function readCandidates(words: readonly string[]): Candidates {
  const commandAt = findCommand(words);
  const redirectAt = isRedirected(words) ? words.length - 2 : -1;
  const literal = words.map(
    (word, index) =>
      isTargetOption(word) ||
      index === redirectAt ||
      (index === 0 && DAEMON_BUILTINS.has(word)) ||
      // Dokku looks for a file of the command's name: `config:../../x` would run any program of the host.
      (index === commandAt && !/^[A-Za-z0-9_.:-]+$/.test(word)),
  );
  const restFrom = words.findLastIndex((word, index) => literal[index] === true || word.startsWith('-')) + 1;
  return { words, literal, restFrom };
}

/** Dokku takes options, and the value of `--app`, off the front: the next word is the command. */
function findCommand(words: readonly string[]): number {
  return words.findIndex((word, index) => !word.startsWith('-') && words[index - 1] !== '--app');
}

function matches(rule: Rule, candidates: Candidates): boolean {
  const { words, literal, restFrom } = candidates;
  if (words.length < rule.words.length) return false;
  if (words.length > rule.words.length && !(rule.rest && rule.words.length >= restFrom)) return false;
  return rule.words.every(({ text, parts }, index) => {
    const word = words[index] ?? '';
    if (parts.length === 1) return word === text;
    return literal[index] !== true && (!word.startsWith('-') || text.startsWith('-')) && matchesParts(word, parts);
  });
}

/** Leftmost first: each part is looked for once, so that no run of wildcards takes more than linear time. */
function matchesParts(word: string, parts: readonly string[]): boolean {
  const prefix = parts[0] ?? '';
  const suffix = parts.at(-1) ?? '';
  if (word.length < prefix.length + suffix.length || !word.startsWith(prefix) || !word.endsWith(suffix)) return false;
  const end = word.length - suffix.length;
  let from = prefix.length;
  for (const part of parts.slice(1, -1)) {
    const found = word.indexOf(part, from);
    if (found === -1 || found + part.length > end) return false;
    from = found + part.length;
  }
  return true;
}

/** Written with one dash or in capitals they do not work today, and are not worth the risk. */
function isTargetOption(word: string): boolean {
  const name = /^-+([^=]*)/.exec(word)?.[1];
  return name !== undefined && TARGET_OPTIONS.has(name.toLowerCase());
}
