import { describe, expect, test } from 'vitest';
import { checkConfiguration } from '../../../../handlers/cli/doctor/configuration.ts';
import { type Place, remediesFor } from '../../../../handlers/cli/doctor/remedies.ts';
import { typeIntoShell } from './patient.ts';

const healthy = {
  DATABASE_URL: 'postgres://user:secret@localhost/database',
  REDIS_URL: 'redis://:secret@localhost',
  SECRET_KEY: 'a secret key of 32 characters or more',
};

function findings(environment: NodeJS.ProcessEnv, place: Place) {
  return checkConfiguration(environment, remediesFor(place)).findings;
}

test('settings that can be read are one line', () => {
  expect(findings(healthy, 'host')).toEqual([
    { check: 'configuration', status: 'ok', says: 'every setting can be read' },
  ]);
});

describe.each(['host', 'dokku'] as const)('each setting that is malformed, on %s', (place) => {
  test.each([
    ['SECRET_KEY', 'secret', 'SECRET_KEY="$(openssl rand -hex 32)"'],
    ['PORT', '70000', null],
    ['DOKKU_DAEMON_SOCKET', 'relative/path.sock', null],
    ['DOKKU_SERVERS', 'eu', 'DOKKU_SERVERS=eu=/run/eu.sock,us=/run/us.sock'],
    ['DOKKU_DAEMON_JSON', 'Not A Name', null],
    ['COMMAND_TIMEOUT', '0', null],
    ['DAEMON_WAIT', '-1', null],
    ['SYNC_WAIT', '1h', null],
    ['RESULT_MAX_BYTES', '1', null],
    ['RATE_LIMIT', '0', null],
    ['CALLBACK_ALLOW', '10.0.0.0/99', 'CALLBACK_ALLOW=hooks.example.com,10.0.0.0/8'],
    ['TRUSTED_PROXIES', 'all', 'TRUSTED_PROXIES=1'],
    ['LEASE_SECONDS', '0', null],
    ['RETENTION_DAYS', 'forever', null],
    ['LOG_LEVEL', 'loud', null],
  ])('%s=%s', (variable, value, setting) => {
    const broken = { ...healthy, [variable]: value };
    const words = { host: ['export', 'unset'], dokku: ['dokku config:set dokku-api', 'dokku config:unset dokku-api'] };
    const [set, unset] = words[place];
    const remedy = setting === null ? `${unset} ${variable}` : `${set} ${setting}`;
    const found = findings(broken, place);
    expect(found).toMatchObject([{ check: 'configuration', status: 'failed', remedy }]);
    expect(found[0]?.says).toMatch(new RegExp(`^${variable} is malformed: expected `));
    expect(findings(typeIntoShell(remedy, broken), place)).toMatchObject([{ status: 'ok' }]);
  });
});

test('several wrong ones are each named', () => {
  const found = findings({ ...healthy, PORT: 'x', LOG_LEVEL: 'x', SECRET_KEY: '' }, 'host');
  expect(found.map(({ says }) => says.split(' ')[0])).toEqual(['SECRET_KEY', 'PORT', 'LOG_LEVEL']);
});

test.each([
  [
    'host',
    'DATABASE_URL',
    'npm start (it starts a Postgres of its own), or export DATABASE_URL=postgres://user:password@localhost:5432/dokku_api',
  ],
  ['dokku', 'DATABASE_URL', 'dokku postgres:create dokku-api && dokku postgres:link dokku-api dokku-api'],
  ['npm start', 'DATABASE_URL', 'npm start'],
  ['host', 'REDIS_URL', 'npm start (it starts a Redis of its own), or export REDIS_URL=redis://localhost:6379'],
  ['dokku', 'REDIS_URL', 'dokku redis:create dokku-api && dokku redis:link dokku-api dokku-api'],
] as const)('on %s, %s missing', (place, variable, remedy) => {
  expect(findings({ ...healthy, [variable]: '' }, place)).toMatchObject([{ status: 'failed', remedy }]);
});

test.each([
  ['DATABASE_URL', 'mysql://host/database', 'export DATABASE_URL=postgres://user:password@localhost:5432/dokku_api'],
  ['REDIS_URL', 'localhost:6379', 'export REDIS_URL=redis://:password@localhost:6379'],
])('%s of another form', (variable, value, remedy) => {
  const broken = { ...healthy, [variable]: value };
  expect(findings(broken, 'host')).toMatchObject([{ status: 'failed', remedy }]);
  expect(findings(typeIntoShell(remedy, broken), 'host')).toMatchObject([{ status: 'ok' }]);
});

test('a dialect for a server that is none', () => {
  const broken = { ...healthy, DOKKU_SERVERS: 'eu=/run/eu.sock', DOKKU_DAEMON_JSON: 'eu,us' };
  const remedy = 'export DOKKU_DAEMON_JSON=eu';
  expect(findings(broken, 'host')).toMatchObject([
    { status: 'warning', says: 'DOKKU_DAEMON_JSON names us, which DOKKU_SERVERS does not', remedy },
  ]);
  expect(findings(typeIntoShell(remedy, broken), 'host')).toMatchObject([{ status: 'ok' }]);
});
