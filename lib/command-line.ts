import { globMatcher } from './command-glob.ts';
import { commandReadings, isRedirected } from './command-readings.ts';

/** The longest command, in bytes of UTF-8, blanks at both ends not counted. */
export const COMMAND_MAX_BYTES = 32_768;

export type CommandLineCode =
  | 'blank'
  | 'invalid_unicode'
  | 'too_long'
  | 'control_character'
  | 'glob_refused'
  | 'redirect_refused'
  | 'never_ends';

/** Why a command line is refused. `detail` is for people, says what to do, and holds nothing of the text refused. */
export interface CommandLineProblem {
  code: CommandLineCode;
  detail: string;
}

export interface CommandLineOptions {
  /** Whether the key may have the daemon read and write files of the host. */
  allowRedirects: boolean;
  /** File names, without folder, of the configured sockets; the daemon's own default is always looked for too. */
  socketNames: readonly string[];
}

const DEFAULT_SOCKET_NAME = 'dokku-daemon.sock';

const DETAILS: Record<CommandLineCode, string> = {
  blank: 'Give a Dokku command line, such as apps:list or ps:restart my-app.',
  invalid_unicode: 'Send the command as UTF-8: it holds half of a surrogate pair, which stands for no character.',
  too_long: `Keep the command within ${COMMAND_MAX_BYTES} bytes of UTF-8: set many values by several config:set commands.`,
  control_character:
    'Send one line without control characters other than tabs. For values with line breaks or blanks use config:set --encoded with base64.',
  glob_refused:
    'Leave out *, ? and [ in this place: the daemon would put file names of the host there. For values that need them use config:set --encoded with base64.',
  redirect_refused:
    'The second-last word may hold neither < nor >: the daemon would read or write a file of the host. For values that need them use config:set --encoded with base64, or ask for a key made with --allow-redirects.',
  never_ends:
    'Leave out the option that follows the log: the command would never end and would hold up all others. Ask for the latest lines by --num, as in logs my-app --num 100.',
};

/**
 * Cuts spaces and tabs at both ends and checks that one line, and nothing but what it says, reaches Dokku and ends.
 *
 * Of several reasons to refuse a line the first in the order of `CommandLineCode` is given. Takes time linear in the
 * text's length, for given socket names.
 */
export function checkCommandLine(text: string, options: CommandLineOptions): { command: string } | CommandLineProblem {
  const command = cutBlanks(text);
  const code = findProblem(command, options);
  return code === undefined ? { command } : { code, detail: DETAILS[code] };
}

function findProblem(command: string, options: CommandLineOptions): CommandLineCode | undefined {
  if (command === '') return 'blank';
  if (/\p{Surrogate}/u.test(command)) return 'invalid_unicode';
  if (Buffer.byteLength(command, 'utf8') > COMMAND_MAX_BYTES) return 'too_long';
  // U+2028 and U+2029 are separators to Unicode, but control characters to the C library that the daemon runs on.
  if (/[^\P{Cc}\t]|[\u2028\u2029]/u.test(command)) return 'control_character';

  const readings = commandReadings(command);
  const matchesSocket = globMatcher([...new Set([DEFAULT_SOCKET_NAME, ...options.socketNames])]);
  if (readings.some((words) => words.some((word) => mayExpand(word, matchesSocket)))) return 'glob_refused';
  if (!options.allowRedirects && readings.some(isRedirected)) return 'redirect_refused';
  if (readings.some(follows)) return 'never_ends';
  return undefined;
}

/** The expression `/[ \t]+$/` would take quadratic time. */
function cutBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text[start])) start += 1;
  while (end > start && isBlank(text[end - 1])) end -= 1;
  return text.slice(start, end);
}

function isBlank(character: string | undefined): boolean {
  return character === ' ' || character === '\t';
}

/** Whether the daemon's bash could put file names in the place of this word. */
function mayExpand(word: string, matchesSocket: (pattern: string) => boolean): boolean {
  if (!/[*?[]/.test(word)) return false;
  if (word.startsWith('/') || word.startsWith('.') || word.includes('\\')) return true;
  const [first = ''] = word.split('/', 1);
  return matchesSocket(first);
}

/** The daemon runs a line of which any word is a known command, and Dokku takes options anywhere. */
function follows(words: readonly string[]): boolean {
  return words.some(isLogCommand) && words.some(isFollowFlag);
}

function isLogCommand(word: string): boolean {
  return word === 'logs' || word === 'events' || word.endsWith(':logs') || word.endsWith('-logs');
}

/** Long options count when abbreviated too: Dokku's `logs` reads them by getopt, which takes `--t` for `--tail`. */
function isFollowFlag(word: string): boolean {
  const [option = ''] = word.split('=', 1);
  if (option.startsWith('--'))
    return option.length > 2 && ['--tail', '--follow'].some((flag) => flag.startsWith(option));
  return option.startsWith('-') && /[tf]/.test(option);
}
