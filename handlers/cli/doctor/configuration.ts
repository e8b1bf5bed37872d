import { type Config, ConfigError, readConfig, serversOf } from '../../../lib/config.ts';
import { type Checked, type Finding, failed, ok, warning } from './finding.ts';
import type { Remedies } from './remedies.ts';

/** Each setting's variable, and what to do where it is missing or malformed. */
const settings: Record<keyof Config, [variable: string, remedy: (remedies: Remedies, isMissing: boolean) => string]> = {
  databaseUrl: [
    'DATABASE_URL',
    (remedies, isMissing) =>
      isMissing
        ? remedies.makePostgres
        : remedies.correctDatabaseUrl('postgres://user:password@localhost:5432/dokku_api'),
  ],
  redisUrl: [
    'REDIS_URL',
    (remedies, isMissing) =>
      isMissing ? remedies.makeRedis : remedies.correctRedisUrl('redis://:password@localhost:6379'),
  ],
  secretKeys: ['SECRET_KEY', (remedies) => remedies.set('SECRET_KEY', '"$(openssl rand -hex 32)"')],
  port: ['PORT', backToDefault('PORT')],
  host: ['HOST', backToDefault('HOST')],
  defaultSocket: ['DOKKU_DAEMON_SOCKET', backToDefault('DOKKU_DAEMON_SOCKET')],
  moreServers: ['DOKKU_SERVERS', (remedies) => remedies.set('DOKKU_SERVERS', 'eu=/run/eu.sock,us=/run/us.sock')],
  jsonServers: ['DOKKU_DAEMON_JSON', backToDefault('DOKKU_DAEMON_JSON')],
  commandTimeoutSeconds: ['COMMAND_TIMEOUT', backToDefault('COMMAND_TIMEOUT')],
  daemonWaitSeconds: ['DAEMON_WAIT', backToDefault('DAEMON_WAIT')],
  syncWaitSeconds: ['SYNC_WAIT', backToDefault('SYNC_WAIT')],
  resultMaximumBytes: ['RESULT_MAX_BYTES', backToDefault('RESULT_MAX_BYTES')],
  rateLimit: ['RATE_LIMIT', backToDefault('RATE_LIMIT')],
  callbackAllow: ['CALLBACK_ALLOW', (remedies) => remedies.set('CALLBACK_ALLOW', 'hooks.example.com,10.0.0.0/8')],
  trustedProxies: ['TRUSTED_PROXIES', (remedies) => remedies.set('TRUSTED_PROXIES', '1')],
  leaseSeconds: ['LEASE_SECONDS', backToDefault('LEASE_SECONDS')],
  retentionDays: ['RETENTION_DAYS', backToDefault('RETENTION_DAYS')],
  logLevel: ['LOG_LEVEL', backToDefault('LOG_LEVEL')],
};

const check = 'configuration';

/** Reads every setting, each by itself, so that one that is wrong hides no other. */
export function checkConfiguration(environment: NodeJS.ProcessEnv, remedies: Remedies): Checked<Partial<Config>> {
  const findings: Finding[] = [];
  const config: Partial<Config> = {};
  for (const name of Object.keys(settings) as (keyof Config)[]) {
    try {
      Object.assign(config, readConfig(environment, [name]));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const [variable, remedy] = settings[name];
      findings.push(failed(check, error.message, remedy(remedies, !environment[variable])));
    }
  }
  const stray = strayServers(config);
  if (stray !== null) {
    const known = stray.known.join(',');
    findings.push(
      warning(
        check,
        `DOKKU_DAEMON_JSON names ${stray.names.join(', ')}, which DOKKU_SERVERS does not`,
        known === '' ? remedies.unset('DOKKU_DAEMON_JSON') : remedies.set('DOKKU_DAEMON_JSON', known),
      ),
    );
  }
  if (findings.length === 0) findings.push(ok(check, 'every setting can be read'));
  return { findings, value: config };
}

/** Names that stand for no server, and the others of that list. */
function strayServers({ defaultSocket, moreServers, jsonServers }: Partial<Config>) {
  if (defaultSocket === undefined || moreServers === undefined || jsonServers === undefined) return null;
  const servers = new Set(serversOf({ defaultSocket, moreServers, jsonServers }).map(({ name }) => name));
  const names = [...jsonServers].filter((name) => !servers.has(name));
  return names.length === 0 ? null : { names, known: [...jsonServers].filter((name) => servers.has(name)) };
}

function backToDefault(variable: string) {
  return (remedies: Remedies) => remedies.unset(variable);
}
