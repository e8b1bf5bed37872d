import { randomBytes } from 'node:crypto';
import { chownSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import { checkPostgres } from '../../../../handlers/cli/doctor/postgres.ts';
import { remediesFor } from '../../../../handlers/cli/doctor/remedies.ts';
import { createCertificate } from '../../../support/certificate.ts';
import { createDatabase } from '../../../support/database.ts';
import { startProxy } from '../../../support/proxy.ts';
import { remedyIn, typeIntoShell } from './patient.ts';

let url: string;
let place: string;
let name: string;
let password: string;

beforeAll(async () => {
  const database = await createDatabase();
  url = database.url;
  name = database.name;
  const { host, password: secret } = new URL(url);
  place = host;
  password = secret;
});

async function look(of: string, where: 'host' | 'dokku' | 'npm start' = 'host'): Promise<string> {
  const { findings, value } = await checkPostgres(of, remediesFor(where));
  await value?.$client.end();
  const [finding] = findings;
  if (finding === undefined) throw new Error('the check found nothing, not even that all is well');
  const text = `${finding.status}: ${finding.says}${'remedy' in finding ? ` → ${finding.remedy}` : ''}`;
  expect(text).not.toContain(password);
  return text;
}

async function administer(...statements: string[]): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
}

/** What a person makes of `export DATABASE_URL=…PASSWORD…`. */
function exported(remedy: string, secret = password): string {
  return typeIntoShell(remedy.replace('PASSWORD', secret), {}).DATABASE_URL ?? '';
}

test('one that is well', async () => {
  expect(await look(url)).toMatch(new RegExp(`^ok: \\d\\d[^ ]* at postgres://postgres@${place}/${name}$`));
});

test('one that does not run', async () => {
  const proxy = await startProxy({ target: url });
  const broken = proxy.url(url);
  const at = `postgres://postgres@127.0.0.1:${proxy.port}/${name}`;
  proxy.refuse();
  expect(await look(broken)).toBe(`failed: ${at} is not reached (ECONNREFUSED) → systemctl start postgresql`);
  expect(remedyIn(await look(broken, 'dokku'))).toBe('dokku postgres:start dokku-api');
  expect(remedyIn(await look(broken, 'npm start'))).toBe('npm start');
  await proxy.allow();
  expect(await look(broken)).toMatch(/^ok/);
});

test('one that accepts and says nothing', async () => {
  const proxy = await startProxy({ target: url });
  const broken = proxy.url(url);
  const at = `postgres://postgres@127.0.0.1:${proxy.port}/${name}`;
  proxy.hold();
  expect(await look(broken)).toBe(`failed: ${at} does not answer → systemctl restart postgresql`);
  proxy.cut();
  proxy.resume();
  expect(await look(broken)).toMatch(/^ok/);
});

test('a host that nobody knows', async () => {
  const broken = `postgres://postgres:${password}@no-such-host.invalid/${name}`;
  const remedy = `export DATABASE_URL=postgres://postgres:PASSWORD@HOST:5432/${name}`;
  expect(await look(broken)).toBe(
    `failed: postgres://postgres@no-such-host.invalid/${name}: the name no-such-host.invalid is not known → ${remedy}`,
  );
  expect(await look(exported(remedy.replace('HOST:5432', place)))).toMatch(/^ok/);
});

test('a wrong password', async () => {
  const broken = url.replace(password, 'mistaken');
  const remedy = `export DATABASE_URL=postgres://postgres:PASSWORD@${place}/${name}`;
  expect(await look(broken)).toBe(
    `failed: postgres://postgres@${place}/${name} does not take this password → ${remedy}`,
  );
  expect(remedyIn(await look(broken, 'dokku'))).toBe(
    'dokku postgres:unlink dokku-api dokku-api && dokku postgres:link dokku-api dokku-api',
  );
  expect(await look(exported(remedy))).toMatch(/^ok/);
});

test('a database that is not there', async () => {
  const absent = `absent_${randomBytes(4).toString('hex')}`;
  const broken = url.replace(name, absent);
  const { hostname, port } = new URL(url);
  expect(await look(broken)).toBe(
    `failed: postgres://postgres@${place}/${absent}: there is no database ${absent} → createdb -h ${hostname} -p ${port} -U postgres ${absent}`,
  );
  await administer(`CREATE DATABASE ${absent}`);
  expect(await look(broken)).toMatch(/^ok/);
  await administer(`DROP DATABASE ${absent} WITH (FORCE)`);
});

test('encryption that the server does not have', async () => {
  const remedy = `export DATABASE_URL=postgres://postgres:PASSWORD@${place}/${name}`;
  expect(await look(`${url}?sslmode=require`)).toBe(
    `failed: postgres://postgres@${place}/${name}: The server does not support SSL connections → ${remedy}`,
  );
  expect(await look(exported(remedy))).toMatch(/^ok/);
});

test('encryption that the server insists on', async () => {
  const role = `guarded_${randomBytes(4).toString('hex')}`;
  const { key, cert } = createCertificate(['localhost']);
  const client = new pg.Client(url);
  await client.connect();
  const folder = (await client.query('SHOW data_directory')).rows[0].data_directory as string;
  await client.end();
  const files = { key: join(folder, 'test.key'), cert: join(folder, 'test.crt'), rules: join(folder, 'pg_hba.conf') };
  const { uid, gid } = statSync(folder);
  const rules = readFileSync(files.rules, 'utf8');
  for (const [path, text] of [
    [files.key, key],
    [files.cert, cert],
  ] as const) {
    writeFileSync(path, text, { mode: 0o600 });
    chownSync(path, uid, gid);
  }
  writeFileSync(files.rules, `hostnossl all ${role} all reject\n${rules}`);
  await administer(
    `CREATE ROLE ${role} LOGIN PASSWORD 'guarded'`,
    `ALTER SYSTEM SET ssl_key_file = '${files.key}'`,
    `ALTER SYSTEM SET ssl_cert_file = '${files.cert}'`,
    'ALTER SYSTEM SET ssl = on',
    'SELECT pg_reload_conf()',
  );
  const broken = url.replace(`postgres:${password}`, `${role}:guarded`);
  const remedy = `export DATABASE_URL=postgres://${role}:PASSWORD@${place}/${name}?sslmode=no-verify`;
  const expected = `failed: postgres://${role}@${place}/${name}: pg_hba.conf rejects connection for host "127.0.0.1", user "${role}", database "${name}", no encryption → ${remedy}`;
  // The rules are read again a moment after Postgres was told to.
  await expect.poll(() => look(broken)).toBe(expected);
  await expect.poll(() => look(exported(remedy, 'guarded'))).toMatch(/^ok/);

  writeFileSync(files.rules, rules);
  await administer('ALTER SYSTEM RESET ALL', 'SELECT pg_reload_conf()', `DROP ROLE ${role}`);
  rmSync(files.key);
  rmSync(files.cert);
});

test('every connection taken', async () => {
  const role = `busy_${randomBytes(4).toString('hex')}`;
  await administer(`CREATE ROLE ${role} LOGIN PASSWORD 'tight' CONNECTION LIMIT 0`);
  const broken = url.replace('postgres:', '').replace(`//postgres:${password}`, `postgres://${role}:tight`);
  const { hostname, port } = new URL(url);
  expect(await look(broken)).toBe(
    `failed: postgres://${role}@${place}/${name}: too many connections for role "${role}" → psql -h ${hostname} -p ${port} -U postgres -c 'ALTER SYSTEM SET max_connections = 200', and restart Postgres`,
  );
  await administer(`ALTER ROLE ${role} CONNECTION LIMIT 5`);
  expect(await look(broken)).toMatch(/^ok/);
  await administer(`DROP ROLE ${role}`);
});

test.each([
  [
    'too old',
    `CREATE FUNCTION disguise.current_setting(name text) RETURNS text LANGUAGE sql AS
      $$ SELECT CASE name WHEN 'server_version' THEN '12.22' ELSE '120022' END $$`,
    '12.22 at URL is too old: 13 or newer is needed → apt-get install postgresql',
  ],
  [
    'a standby',
    'CREATE FUNCTION disguise.pg_is_in_recovery() RETURNS boolean LANGUAGE sql AS $$ SELECT true $$',
    'URL is a standby, which stores nothing → export DATABASE_URL=postgres://user:password@primary:5432/dokku_api',
  ],
])('one that is %s', async (_, disguise, expected) => {
  // What this database says of itself is taken from the schema that is searched first.
  const search = `ALTER DATABASE ${name} SET search_path = disguise, pg_catalog`;
  await administer('CREATE SCHEMA disguise', disguise, search);
  expect(await look(url)).toBe(`failed: ${expected.replace('URL', `postgres://postgres@${place}/${name}`)}`);
  await administer(`ALTER DATABASE ${name} RESET search_path`, 'DROP SCHEMA disguise CASCADE');
  expect(await look(url)).toMatch(/^ok/);
});
