import { DokkuFailure } from './dokku-output.ts';
import type { App, HostState } from './host-state.ts';
import { type CommandHandler, type Invocation, type ParsedArguments, parseArguments } from './invocation.ts';
import { restartApp } from './ps.ts';

interface Environment {
  title: string;
  variables: Map<string, string>;
  app: App | null;
}

/** The environment that the arguments name (`<app>` or `--global`), and the words after it. */
function environmentOf(host: HostState, parsed: ParsedArguments): Environment & { words: string[] } {
  if (parsed.flags.has('--global')) {
    return { title: 'global', variables: host.globalConfig, app: null, words: parsed.positional };
  }
  const [name, ...words] = parsed.positional;
  if (!name) throw new DokkuFailure('Please specify an app or --global');
  const app = host.app(name);
  return { title: name, variables: app.config, app, words };
}

function requireValidKey(key: string): void {
  if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(key)) throw new DokkuFailure(`Invalid key name: '${key}'`);
}

function sorted(variables: Map<string, string>): [string, string][] {
  return [...variables].sort(([a], [b]) => (a < b ? -1 : 1));
}

function columns(entries: [string, string][]): string[] {
  const width = Math.max(0, ...entries.map(([key]) => key.length + 1));
  return entries.map(([key, value]) => `${`${key}:`.padEnd(width)}  ${value}`);
}

function shellQuoted(value: string): string {
  return `'${value.replaceAll("'", "'\\''")}'`;
}

/** Strict, as Go's decoder is: Buffer would take anything. */
function decodeBase64(key: string, value: string): string {
  const bytes = Buffer.from(value, 'base64');
  if (bytes.toString('base64') !== value) throw new DokkuFailure(`illegal base64 data for key '${key}'`);
  return bytes.toString('utf8');
}

const show: CommandHandler = ({ args, host, out }) => {
  const { title, variables } = environmentOf(host, parseArguments(args, { flags: ['--global', '--merged'] }));
  out.heading(`${title} env vars`);
  for (const line of columns(sorted(variables))) out.line(line);
};

const get: CommandHandler = ({ args, host, out }) => {
  const parsed = parseArguments(args, { flags: ['--global', '--quoted'] });
  const { variables, words } = environmentOf(host, parsed);
  if (words.length !== 1) throw new DokkuFailure(words.length === 0 ? 'Expected: key' : 'Unexpected argument(s)');
  const value = variables.get(words[0] ?? '');
  if (value === undefined) throw new DokkuFailure('');
  out.line(parsed.flags.has('--quoted') ? shellQuoted(value) : value);
};

const set: CommandHandler = (invocation) => {
  const parsed = parseArguments(invocation.args, { flags: ['--global', '--no-restart', '--encoded'] });
  const { variables, app, words } = environmentOf(invocation.host, parsed);
  if (words.length === 0) throw new DokkuFailure('At least one env pair must be given');
  const pairs = words.map((word): [string, string] => {
    const [key = '', ...rest] = word.split('=');
    if (rest.length === 0) throw new DokkuFailure(`Invalid env pair: ${word}`);
    requireValidKey(key);
    const value = rest.join('=');
    return [key, parsed.flags.has('--encoded') ? decodeBase64(key, value) : value];
  });
  for (const [key, value] of pairs) variables.set(key, value);
  invocation.out.step('Setting config vars');
  for (const line of columns(sorted(new Map(pairs)))) invocation.out.detail(line);
  changed(invocation, app, parsed);
};

const unset: CommandHandler = (invocation) => {
  const parsed = parseArguments(invocation.args, { flags: ['--global', '--no-restart'] });
  const { variables, app, words } = environmentOf(invocation.host, parsed);
  if (words.length === 0) throw new DokkuFailure('At least one key must be given');
  words.forEach(requireValidKey);
  for (const key of words) {
    if (variables.delete(key)) invocation.out.step(`Unsetting ${key}`);
    else invocation.out.step(`Skipping ${key}, it is not set in the environment`);
  }
  changed(invocation, app, parsed);
};

function changed(invocation: Invocation, app: App | null, parsed: ParsedArguments): void {
  const { host, now } = invocation;
  host.addEvent(now, `INVOKED: post-config-update( ${app?.name ?? '--global'} )`);
  if (app?.deployed && app.running && !parsed.flags.has('--no-restart')) restartApp(invocation, app);
}

const exported: CommandHandler = ({ args, host, out }) => {
  const parsed = parseArguments(args, { flags: ['--global', '--merged'], values: ['--format'] });
  const { app, variables } = environmentOf(host, parsed);
  const merged = app !== null && parsed.flags.has('--merged');
  const entries = sorted(merged ? new Map([...host.globalConfig, ...variables]) : variables);
  for (const line of exportedLines(parsed.values.get('--format') ?? 'exports', entries)) out.line(line);
};

function exportedLines(format: string, entries: [string, string][]): string[] {
  switch (format) {
    case 'exports':
      return entries.map(([key, value]) => `export ${key}=${shellQuoted(value)}`);
    case 'envfile':
      return entries.map(([key, value]) => `${key}=${JSON.stringify(value)}`);
    case 'docker-args':
      return [entries.map(([key, value]) => `--env=${key}=${shellQuoted(value)}`).join(' ')];
    case 'shell':
      return [entries.map(([key, value]) => `${key}=${shellQuoted(value)}`).join(' ')];
    case 'pretty':
      return columns(entries);
    case 'json':
      return [JSON.stringify(Object.fromEntries(entries))];
    case 'json-list':
      return [JSON.stringify(entries.map(([name, value]) => ({ name, value })))];
    default:
      throw new DokkuFailure(`Unknown export format: ${format}`);
  }
}

const keys: CommandHandler = ({ args, host, out }) => {
  const { variables } = environmentOf(host, parseArguments(args, { flags: ['--global', '--merged'] }));
  for (const [key] of sorted(variables)) out.line(key);
};

export const CONFIG_COMMANDS: [string, CommandHandler][] = [
  ['config:show', show],
  ['config:get', get],
  ['config:set', set],
  ['config:unset', unset],
  ['config:export', exported],
  ['config:keys', keys],
];
