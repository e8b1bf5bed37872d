/** Brings the database to this version's schema, and takes over what a Ruby app left in it, while the version before runs. */
import { drizzle } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import { ConfigError, readConfig } from '../lib/config.ts';
import { createReplyDecoder } from '../lib/daemon/reply.ts';
import { createSeal } from '../lib/seal.ts';
import { importRubyApp, type RubyImport } from './ruby-import.ts';
import { applyMigrations } from './schema-migrations.ts';
import { sharedSessions, sharesSessions } from './shared-sessions.ts';

/** Any number that nothing else takes: several releases at once go one after the other. */
const lockKey = 7_236_519;

function connectionTo(url: string): pg.Client {
  return new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    application_name: 'dokku-api release',
  });
}

/**
 * The lock of releases would stay with a session that somebody else is given next.
 * @throws Error where a pooler shares sessions among connections
 */
async function refuseSharedSessions(client: pg.Client, url: string): Promise<void> {
  const other = connectionTo(url);
  await other.connect();
  try {
    if (await sharesSessions(client, other)) throw new Error(`${sharedSessions}: set pool_mode = session there`);
  } finally {
    await other.end();
  }
}

/**
 * Works on one connection under the lock of releases, without the time limits of the serving pools.
 * @param onWarning told of what Postgres warns of
 */
async function underLock<Result>(
  url: string,
  onWarning: (warning: string) => void,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = connectionTo(url);
  client.on('notice', ({ message, hint }) => onWarning([message, hint].filter(Boolean).join(' ')));
  await client.connect();
  try {
    await refuseSharedSessions(client, url);
    await client.query("SET client_min_messages = 'warning'; SET timezone = 'UTC'");
    await client.query('SELECT pg_advisory_lock($1)', [lockKey]);
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Applies every pending migration. */
export async function migrate(url: string, onWarning: (warning: string) => void = console.warn): Promise<void> {
  await underLock(url, onWarning, (client) => applyMigrations(client));
}

/**
 * Applies every pending migration, and imports the Ruby app where this is its database.
 * @returns what was done, in lines for whoever watches
 * @throws ConfigError for settings that are missing
 */
export async function release(environment: NodeJS.ProcessEnv): Promise<string> {
  const names = ['databaseUrl', 'jsonServers', 'resultMaximumBytes'] as const;
  const { databaseUrl, jsonServers, resultMaximumBytes } = readConfig(environment, names);
  const dialect = jsonServers.has('default') ? 'json' : 'dokku-daemon';
  return await underLock(databaseUrl, console.warn, async (client) => {
    await applyMigrations(client);
    const imported = await importRubyApp(drizzle({ client }), {
      sealOfSigningSecrets: () => createSeal(secretKeysFor(environment), 'signing-secret'),
      readResult: (result) => {
        const decoder = createReplyDecoder({ maximumOutputBytes: resultMaximumBytes, dialect });
        return decoder.push(Buffer.from(`${result}\n`)) ?? 'malformed';
      },
      resultMaximumBytes,
    });
    return ['Migrations are applied.', ...(imported === null ? [] : described(imported))].join('\n');
  });
}

function secretKeysFor(environment: NodeJS.ProcessEnv): [string, ...string[]] {
  try {
    return readConfig(environment, ['secretKeys']).secretKeys;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(`${error.message}. It seals the signing secrets that the Ruby app's keys are given`, {
      cause: error,
    });
  }
}

function described({ keys, commands }: RubyImport): string[] {
  const taken = [
    `keys ${keys.imported}`,
    `commands ${commands.imported} (lost for want of a result: ${commands.lost})`,
    `late results ${commands.late}`,
  ];
  return [
    `Taken over from the Ruby app: ${taken.join(', ')}.`,
    ...(keys.imported > 0
      ? [
          'Callbacks are signed, and nobody has seen the signing secrets of these keys: a receiver that verifies gets one by',
          'npm run -s keys:rotate -- <api key> --signing-secret (the API secret stays).',
        ]
      : []),
    ...(keys.unusable > 0
      ? [`Left out, since no request can bear them: keys ${keys.unusable}. Make new ones with keys:generate.`]
      : []),
    ...(commands.refused > 0
      ? [`Left out, since they have no token, or their id or token is taken: commands ${commands.refused}.`]
      : []),
  ];
}
