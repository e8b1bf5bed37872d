/** The settings: names, defaults, and what each must look like. A missing or malformed one names itself. */
import * as v from 'valibot';
import { parseAllowList } from './callback-address.ts';

export class ConfigError extends Error {
  override name = 'ConfigError';
}

const defaultServer = 'default';
const serverName = /^[a-z0-9][a-z0-9_-]{0,62}$/;

const url = (protocols: readonly string[]) =>
  v.pipe(
    v.string(),
    v.check((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol)),
  );
const wholeNumber = (least: number, most: number) =>
  v.pipe(v.string(), v.regex(/^\d{1,10}$/), v.transform(Number), v.minValue(least), v.maxValue(most));
const list = (text: string) =>
  text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');

type Setting<Output> = {
  variable: string;
  /** What stands in for a missing variable, in its written form; none: the variable is needed. */
  fallback?: string;
  expected: string;
  schema: v.GenericSchema<string, Output>;
};

function setting<Output>(
  variable: string,
  fallback: string | undefined,
  expected: string,
  schema: v.GenericSchema<string, Output>,
): Setting<Output> {
  return fallback === undefined ? { variable, expected, schema } : { variable, fallback, expected, schema };
}

const settings = {
  databaseUrl: setting(
    'DATABASE_URL',
    undefined,
    'a URL such as postgres://user:password@host:5432/database',
    url(['postgres:', 'postgresql:']),
  ),
  redisUrl: setting(
    'REDIS_URL',
    undefined,
    'a URL such as redis://:password@host:6379 (rediss: for TLS)',
    url(['redis:', 'rediss:']),
  ),
  secretKeys: setting(
    'SECRET_KEY',
    undefined,
    '32 or more random characters (while it is being changed: new,old)',
    v.pipe(
      v.string(),
      v.transform(list),
      v.check((keys) => keys.length >= 1 && keys.length <= 2 && keys.every((key) => key.length >= 32)),
      v.transform((keys) => keys as [string, ...string[]]),
    ),
  ),
  port: setting('PORT', '3000', 'a port number from 0 to 65535', wholeNumber(0, 65_535)),
  host: setting('HOST', '0.0.0.0', 'an address to listen on', v.pipe(v.string(), v.minLength(1))),
  defaultSocket: setting(
    'DOKKU_DAEMON_SOCKET',
    '/var/run/dokku-daemon/dokku-daemon.sock',
    'the absolute path of a socket, of at most 107 bytes',
    v.pipe(v.string(), v.check(isSocketPath)),
  ),
  moreServers: setting(
    'DOKKU_SERVERS',
    '',
    'name=/path/of.sock, several parted by commas; names of a-z, 0-9, - and _, each once, and not "default"',
    v.pipe(
      v.string(),
      v.transform((text) => list(text).map((entry) => entry.split('=') as [string, string])),
      v.check((pairs) => pairs.every((pair) => pair.length === 2 && serverName.test(pair[0]) && isSocketPath(pair[1]))),
      v.check((pairs) => new Set([defaultServer, ...pairs.map(([name]) => name)]).size === pairs.length + 1),
      v.transform((pairs) => new Map(pairs)),
    ),
  ),
  jsonServers: setting(
    'DOKKU_DAEMON_JSON',
    '',
    'names of servers, parted by commas',
    v.pipe(
      v.string(),
      v.transform(list),
      v.check((names) => names.every((name) => serverName.test(name))),
      v.transform((names) => new Set(names)),
    ),
  ),
  commandTimeoutSeconds: setting('COMMAND_TIMEOUT', '600', 'seconds from 1 to 86400', wholeNumber(1, 86_400)),
  daemonWaitSeconds: setting('DAEMON_WAIT', '60', 'seconds from 0 to 86400', wholeNumber(0, 86_400)),
  syncWaitSeconds: setting('SYNC_WAIT', '3600', 'seconds from 1 to 86400', wholeNumber(1, 86_400)),
  resultMaximumBytes: setting(
    'RESULT_MAX_BYTES',
    '8388608',
    'bytes from 1024 to 67108864',
    wholeNumber(1024, 67_108_864),
  ),
  rateLimit: setting('RATE_LIMIT', '600', 'requests a minute from 1 to 1000000', wholeNumber(1, 1_000_000)),
  callbackAllow: setting(
    'CALLBACK_ALLOW',
    '',
    'host names, addresses and networks, parted by commas',
    v.pipe(
      v.string(),
      v.rawTransform(({ dataset, addIssue, NEVER }) => {
        try {
          return parseAllowList(dataset.value);
        } catch (error) {
          addIssue({ message: (error as Error).message });
          return NEVER;
        }
      }),
    ),
  ),
  trustedProxies: setting('TRUSTED_PROXIES', '0', 'a number of proxies from 0 to 16', wholeNumber(0, 16)),
  leaseSeconds: setting('LEASE_SECONDS', '10', 'seconds from 1 to 3600', wholeNumber(1, 3600)),
  retentionDays: setting('RETENTION_DAYS', '0', 'days from 0 (keep) to 36500', wholeNumber(0, 36_500)),
  logLevel: setting(
    'LOG_LEVEL',
    'info',
    'one of trace, debug, info, warn, error, fatal, silent',
    v.picklist(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
  ),
};

type Settings = typeof settings;
export type Config = { [Name in keyof Settings]: v.InferOutput<Settings[Name]['schema']> };

/** Every setting: what the web process reads. */
export const settingNames = Object.keys(settings) as (keyof Config)[];

/**
 * Reads the named settings from the environment. An empty variable counts as missing.
 * @throws ConfigError with one line that names the variable and says what is expected, never its value.
 */
export function readConfig<Name extends keyof Config>(
  environment: NodeJS.ProcessEnv,
  names: readonly Name[],
): Pick<Config, Name> {
  return Object.fromEntries(names.map((name) => [name, readSetting<unknown>(environment, settings[name])])) as Pick<
    Config,
    Name
  >;
}

function readSetting<Output>(
  environment: NodeJS.ProcessEnv,
  { variable, fallback, expected, schema }: Setting<Output>,
) {
  const text = environment[variable] || fallback;
  if (text === undefined) throw new ConfigError(`${variable} is missing: expected ${expected}`);
  const result = v.safeParse(schema, text);
  if (!result.success) throw new ConfigError(`${variable} is malformed: expected ${expected}`);
  return result.output;
}

/** One Dokku host's daemon. */
export type Server = { name: string; socketPath: string; dialect: 'dokku-daemon' | 'json' };

/** Every configured server, `default` first. */
export function serversOf(config: Pick<Config, 'defaultSocket' | 'moreServers' | 'jsonServers'>): Server[] {
  return [[defaultServer, config.defaultSocket] as const, ...config.moreServers].map(([name, socketPath]) => ({
    name,
    socketPath,
    dialect: config.jsonServers.has(name) ? 'json' : 'dokku-daemon',
  }));
}

/** The kernel's limit on a socket's path is 107 bytes and a terminator. */
function isSocketPath(path: string): boolean {
  return path.startsWith('/') && Buffer.byteLength(path) <= 107 && !path.includes('\0');
}
