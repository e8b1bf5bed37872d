/** What the terminal asked for, checked before anything is looked at. */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { presetRules } from '../../../lib/command-presets.ts';
import { parseDuration } from '../../../lib/duration.ts';
import { checkNewKey, type KeyRole, keyRoles, type NewKey } from '../../../lib/key.ts';
import { type KeyAction, keyActions, UsageError } from './usage.ts';

export type KeysRequest =
  | { action: 'help'; about: KeyAction }
  | { action: 'generate'; options: NewKey }
  | { action: 'list'; rules: boolean }
  | { action: 'delete'; apiKey: string }
  | { action: 'rotate'; apiKey: string; graceMs: number }
  | { action: 'rotate signing secret'; apiKey: string }
  /** `command` null: it is on standard input. */
  | { action: 'explain'; apiKey: string; command: string | null };

type Options = NonNullable<ParseArgsConfig['options']>;

const longestGraceMs = 365 * 86_400_000;

/**
 * @param args the action and what follows it
 * @throws UsageError, or KeyError where the key that is asked for cannot be made
 */
export function readArguments(args: readonly string[], environment: NodeJS.ProcessEnv): KeysRequest {
  const [first, ...rest] = args;
  const action = keyActions.find((name) => name === first);
  if (action === undefined) throw new UsageError(`Write one of ${keyActions.join(', ')} first, and --help behind it.`);
  if (rest[0] === '--help' || rest[0] === '-h') return { action: 'help', about: action };
  switch (action) {
    case 'generate':
      return readGenerate(rest, environment);
    case 'list': {
      const { values } = read(action, rest, { rules: { type: 'boolean' } }, [], environment);
      return { action, rules: values.rules === true };
    }
    case 'delete': {
      const [apiKey = ''] = read(action, rest, {}, ['<api key>'], environment).positionals;
      return { action, apiKey };
    }
    case 'rotate': {
      const options = { grace: { type: 'string' }, 'signing-secret': { type: 'boolean' } } as const;
      const { values, positionals } = read(action, rest, options, ['<api key>'], environment);
      if (values['signing-secret'] === true) {
        if (values.grace !== undefined) throw new UsageError('--grace is for the API secret: leave it out.');
        return { action: 'rotate signing secret', apiKey: positionals[0] ?? '' };
      }
      const graceMs = duration('grace', values.grace ?? '24h');
      if (graceMs > longestGraceMs) throw new UsageError('--grace is too long: give 365d at most.');
      return { action, apiKey: positionals[0] ?? '', graceMs };
    }
    case 'explain': {
      // A command may hold words that look like options: nothing behind the key is one of ours.
      const [apiKey, command, ...more] = rest;
      if (apiKey === undefined || command === undefined || more.length > 0) {
        throw new UsageError("Give the api key and the command in quotes: keys:explain <api key> 'ps:restart shop'.");
      }
      return { action, apiKey, command: command === '-' ? null : command };
    }
  }
}

function readGenerate(args: readonly string[], environment: NodeJS.ProcessEnv): KeysRequest {
  const one = { type: 'string' } as const;
  const several = { type: 'string', multiple: true } as const;
  const { values } = read(
    'generate',
    args,
    {
      name: one,
      role: one,
      owner: one,
      rule: several,
      preset: one,
      app: several,
      server: several,
      rate: one,
      expires: one,
      'allow-redirects': { type: 'boolean' },
    },
    [],
    environment,
  );
  const rules = [...readPreset(values.preset, values.app), ...(values.rule ?? [])];
  return {
    action: 'generate',
    options: checkNewKey({
      ...(values.name === undefined ? {} : { name: values.name }),
      ...(values.role === undefined ? {} : { role: readRole(values.role) }),
      ...(values.owner === undefined ? {} : { owner: values.owner }),
      rules: rules.length === 0 ? null : rules,
      servers: values.server ?? null,
      rateLimit: values.rate === undefined ? null : readNumber('rate', values.rate),
      expiresAfterMs: values.expires === undefined ? null : duration('expires', values.expires),
      allowRedirects: values['allow-redirects'] === true,
    }),
  };
}

function readPreset(preset: string | undefined, apps: readonly string[] = []): string[] {
  if (preset === undefined && apps.length === 0) return [];
  if (preset !== 'deploy') throw new UsageError('The only preset is deploy: write --preset deploy --app shop.');
  if (apps.length === 0) throw new UsageError('--preset deploy is for an app: add --app and its name.');
  return apps.flatMap((app) => {
    try {
      return presetRules(preset, app);
    } catch (error) {
      throw new UsageError((error as Error).message, { cause: error });
    }
  });
}

function readRole(text: string): KeyRole {
  const role = keyRoles.find((name) => name === text);
  if (role === undefined) throw new UsageError(`--role is unknown: give one of ${keyRoles.join(', ')}.`);
  return role;
}

function readNumber(option: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`--${option} is not usable: give a whole number.`);
  return Number(text);
}

function duration(option: string, text: string): number {
  const ms = parseDuration(text);
  if (ms === null) throw new UsageError(`--${option} is not usable: give a number and s, m, h, d or w, such as 90d.`);
  return ms;
}

/** Reads options and exactly the positional arguments named. */
function read<const Known extends Options>(
  action: KeyAction,
  args: readonly string[],
  options: Known,
  positionals: readonly string[],
  environment: NodeJS.ProcessEnv,
) {
  const taken = Object.keys(options).find((name) => `npm_config_${name.replaceAll('-', '_')}` in environment);
  if (taken !== undefined) {
    // Left alone, a key asked for with rules would be made without them.
    throw new UsageError(`npm took --${taken} for itself: write npm run -s keys:${action} -- and then the options.`);
  }
  const parsed = parse(action, args, options);
  if (parsed.positionals.length !== positionals.length) {
    const expected = positionals.length === 0 ? 'takes options only' : `takes ${positionals.join(' ')}`;
    throw new UsageError(`keys:${action} ${expected}, and options behind --: see npm run -s keys:${action} -- --help.`);
  }
  return parsed;
}

function parse<const Known extends Options>(action: KeyAction, args: readonly string[], options: Known) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    if (!code.startsWith('ERR_PARSE_ARGS')) throw error;
    const [first = ''] = message.split(/\.?\n|\. To specify/);
    throw new UsageError(`${first}: see npm run -s keys:${action} -- --help.`, { cause: error });
  }
}
