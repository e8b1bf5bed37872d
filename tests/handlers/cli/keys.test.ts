import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectDatabase, type Database } from '../../../db/client.ts';
import { createKeys, type Keys } from '../../../db/keys.ts';
import { hashSecret, verifySecret } from '../../../lib/credentials.ts';
import { createSeal } from '../../../lib/seal.ts';
import { createDatabase } from '../../support/database.ts';
import { freePort, startProcess } from '../../support/process.ts';

const secretKey = randomBytes(16).toString('hex');

let env: { DATABASE_URL: string; SECRET_KEY: string };
let database: Database;
let keys: Keys;

beforeAll(async () => {
  env = { DATABASE_URL: (await createDatabase()).url, SECRET_KEY: secretKey };
  database = connectDatabase(env.DATABASE_URL, {
    maximum: 4,
    onError: (error) => {
      throw error;
    },
  });
  keys = createKeys(database, createSeal([secretKey], 'signing-secret'));
});

afterAll(() => database.$client.end());

async function run(args: string[], environment: Record<string, string> = env) {
  const process = startProcess({ script: 'handlers/cli/keys.ts', args, env: environment });
  const { code } = await process.exit;
  return { code, stdout: process.stdout(), stderr: process.stderr() };
}

/** Runs it and takes the secrets out of what it printed. */
async function generate(...args: string[]) {
  const { code, stdout, stderr } = await run(['generate', ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const [, apiKey = '', apiSecret = ''] =
    /^New API key was generated\nAPI KEY: ([0-9a-f]{32}) \| API SECRET: ([0-9a-f]{32})\n/.exec(stdout) ?? [];
  const signingSecret = /^SIGNING SECRET: (whsec_\S+)$/m.exec(stdout)?.[1] ?? '';
  return { apiKey, apiSecret, signingSecret, stdout };
}

async function sealed(apiKey: string): Promise<{ publicId: string; text: string }> {
  const { rows } = await database.$client.query('SELECT * FROM dokku_api.keys WHERE api_key = $1', [apiKey]);
  return { publicId: rows[0].public_id, text: rows[0].sealed_signing_secret };
}

test('a key is made, listed, explained, rotated and deleted', async () => {
  const made = await generate('--name', 'CI ✓', '--owner', 'shop', '--rule', 'ps:restart shop', '--rate', '60');
  const { publicId, text } = await sealed(made.apiKey);
  expect(verifySecret(hashSecret(made.apiSecret), await keys.find(made.apiKey))).toBe(true);
  expect(createSeal([secretKey], 'signing-secret').open(text, publicId)).toBe(made.signingSecret);
  expect(made.stdout.split('\n')[2]).toBe(`SIGNING SECRET: ${made.signingSecret}`);
  expect(made.stdout).toContain(publicId);
  expect(made.stdout).toContain('\n  ps:restart shop\n');

  const [list, allowed, refused] = await Promise.all([
    run(['list', '--rules']),
    run(['explain', made.apiKey, 'ps:restart shop']),
    run(['explain', made.apiKey, 'apps:list']),
  ]);
  const line = list.stdout.split('\n').find((row) => row.startsWith(made.apiKey)) ?? '';
  expect(line.split(/ {2,}/)).toEqual([
    made.apiKey,
    publicId,
    'CI ✓',
    'run',
    'shop',
    '1',
    'all',
    '60/min',
    'never',
    'never',
    'active',
  ]);
  expect(list.stdout).toContain('\n    ps:restart shop\n');
  expect(list.stdout).not.toContain(made.apiSecret);
  expect(list.stdout).not.toContain('whsec_');
  expect(allowed).toEqual({ code: 0, stdout: 'Allowed: by the rule ps:restart shop.\n', stderr: '' });
  expect(refused.code).toBe(1);
  expect(refused.stdout).toContain('command_not_allowed');

  const rotated = await run(['rotate', made.apiKey, '--grace', '1h']);
  const secret = /API SECRET: ([0-9a-f]{32})/.exec(rotated.stdout)?.[1] ?? '';
  expect(rotated.stdout).toContain('The old one works for another 1 h.');
  for (const good of [secret, made.apiSecret])
    expect(verifySecret(hashSecret(good), await keys.find(made.apiKey))).toBe(true);

  expect(await run(['delete', made.apiKey])).toEqual({ code: 0, stdout: 'Key was deleted.\n', stderr: '' });
  expect(verifySecret(hashSecret(secret), await keys.find(made.apiKey))).toBe(false);
  const [again, after] = await Promise.all([run(['delete', made.apiKey]), run(['list'])]);
  expect(again).toEqual({ code: 1, stdout: 'Key not found.\n', stderr: '' });
  expect(after.stdout).toMatch(new RegExp(`^${made.apiKey} .* deleted \\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\dZ$`, 'm'));
});

test('an unknown key is not found by anything', async () => {
  const unknown = '0'.repeat(32);
  const runs = [
    ['delete', unknown],
    ['rotate', unknown],
    ['rotate', unknown, '--signing-secret'],
    ['explain', unknown, 'apps:list'],
    ['delete', 'key_x'],
  ];
  for (const result of await Promise.all(runs.map((args) => run(args)))) {
    expect(result).toEqual({ code: 1, stdout: 'Key not found.\n', stderr: '' });
  }
});

test('a new signing secret is what callbacks are signed with, and nothing else changes', async () => {
  const made = await generate();
  const { code, stdout } = await run(['rotate', made.apiKey, '--signing-secret']);
  expect(code).toBe(0);
  const [, fresh = ''] =
    /^New signing secret was generated\nSIGNING SECRET: (whsec_\S+)\nIt is shown this once\./.exec(stdout) ?? [];
  expect(fresh).not.toBe(made.signingSecret);
  const { publicId, text } = await sealed(made.apiKey);
  expect(createSeal([secretKey], 'signing-secret').open(text, publicId)).toBe(fresh);
  expect(verifySecret(hashSecret(made.apiSecret), await keys.find(made.apiKey))).toBe(true);
  const both = await run(['rotate', made.apiKey, '--signing-secret', '--grace', '1h']);
  expect(both).toEqual({ code: 2, stdout: '', stderr: '--grace is for the API secret: leave it out.\n' });
});

test('the preset writes its rules out, and prints them', async () => {
  const { apiKey, stdout } = await generate('--preset', 'deploy', '--app', 'shop', '--expires', '90d');
  const record = await keys.get(apiKey);
  expect(record?.rules).toContain('ps:restart shop');
  for (const rule of record?.rules ?? []) expect(stdout).toContain(`\n  ${rule}\n`);
  expect(Number(record?.expiresAt) - Number(record?.createdAt)).toBe(90 * 86_400_000);
});

test('a key that nothing bounds says so, and an expired one gets no new secret', async () => {
  const { apiKey, stdout } = await generate();
  expect(stdout).toContain('it may run every command, which makes it root of the host');
  await database.$client.query("UPDATE dokku_api.keys SET expires_at = now() - interval '1 s' WHERE api_key = $1", [
    apiKey,
  ]);
  const rotated = await run(['rotate', apiKey]);
  expect(rotated).toEqual({ code: 1, stdout: 'Key has expired: make a new one by keys:generate.\n', stderr: '' });
});

test('a command to explain is read from standard input, as it is', async () => {
  const { apiKey } = await keys.generate({ rules: ['config:set shop *'] });
  const args = ['--import', import.meta.resolve('tsx'), 'handlers/cli/keys.ts', 'explain', apiKey, '-'];
  const explained = spawnSync(process.execPath, args, {
    env: { ...env, PATH: process.env.PATH },
    input: 'config:set shop A=b\n',
  });
  expect(String(explained.stdout)).toBe('Allowed: by the rule config:set shop *.\n');
});

test('what is wrong is said in one line, before anything is stored', async () => {
  const before = await keys.list();
  const elsewhere = `postgres://u:hidden-password@127.0.0.1:${await freePort()}/x`;
  const noSchema = await createDatabase();
  const client = new pg.Client(noSchema.url);
  await client.connect();
  await client.query('DROP SCHEMA dokku_api CASCADE');
  await client.end();
  const missing = new URL(env.DATABASE_URL);
  missing.pathname = '/no_such_database';
  const cases: [string[], Record<string, string>, number, RegExp][] = [
    [['generate', '--rule', 'a ** b'], env, 2, /^The rule "a \*\* b" is not usable\. /],
    [['generate', '--expires', 'soon'], env, 2, /^--expires is not usable: /],
    [['list'], { DATABASE_URL: env.DATABASE_URL }, 1, /^SECRET_KEY is missing: /],
    [['list'], { ...env, DATABASE_URL: 'mysql://x' }, 1, /^DATABASE_URL is malformed: /],
    [
      ['generate'],
      { ...env, DATABASE_URL: elsewhere },
      1,
      /^Postgres cannot be used \(.*ECONNREFUSED.*\): check DATABASE_URL/,
    ],
    [
      ['generate'],
      { ...env, DATABASE_URL: missing.href },
      1,
      /^Postgres cannot be used \(.*no_such_database.*\): check/,
    ],
    [['generate'], { ...env, DATABASE_URL: noSchema.url }, 1, /^The database does not have .* run npm run migrate/],
    [['list'], { ...env, DATABASE_URL: noSchema.url }, 1, /^The database does not have .* run npm run migrate/],
  ];
  for (const [args, environment, code, line] of cases) {
    const result = await run(args, environment);
    expect(result.stderr).toMatch(line);
    expect(result.stderr.trimEnd()).not.toContain('\n');
    expect(result.stderr).not.toContain('hidden-password');
    expect(result).toMatchObject({ code, stdout: '' });
  }
  expect(await keys.list()).toEqual(before);
});

test('listing with a new SECRET_KEY in front seals the signing secrets again', async () => {
  const { apiKey, signingSecret } = await keys.generate();
  const newKey = randomBytes(16).toString('hex');
  const first = await run(['list'], { ...env, SECRET_KEY: `${newKey},${secretKey}` });
  expect(first.stdout).toMatch(/Sealed \d+ signing secrets again with the first SECRET_KEY/);
  const { publicId, text } = await sealed(apiKey);
  expect(createSeal([newKey], 'signing-secret').open(text, publicId)).toBe(signingSecret);
  const [second, old] = await Promise.all([run(['list'], { ...env, SECRET_KEY: newKey }), run(['list'])]);
  expect(second.stdout).not.toContain('Sealed');
  expect(old.stdout).toContain(`The signing secret of ${publicId} cannot be opened.`);
});

test('help says how to ask, and needs nothing', async () => {
  const { code, stdout } = await run(['generate', '--help'], {});
  expect(code).toBe(0);
  for (const option of [
    '--name',
    '--role',
    '--owner',
    '--rule',
    '--preset',
    '--app',
    '--server',
    '--rate',
    '--expires',
  ]) {
    expect(stdout).toContain(`  ${option} `);
  }
});
