/** What is secret is nowhere but where it has to be: not in logs, errors, metrics, Redis, process lists or the database. */
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createInstallation, type Installation, type Web } from '../support/installation.ts';
import { startProcess, type TestProcess } from '../support/process.ts';
import { query } from '../support/query.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { ask } from './ask.ts';

const made = (what: string) => `${what}-${randomBytes(12).toString('hex')}`;

/** What clients send that may hold passwords. Stored as commands and results, and shown to their owner alone. */
const texts = {
  command: made('command'),
  output: made('output'),
  query: made('query'),
  search: made('search'),
  refused: made('refused'),
  path: made('path'),
  json: made('json'),
  callback: made('callback'),
  rejected: made('rejected'),
  rejectedOutput: made('rejected-output'),
};
/** What nobody but its holder may ever see. */
const secrets: Record<string, string> = { cookie: made('cookie'), wrongSecret: randomBytes(16).toString('hex') };

let installation: Installation;
let web: Web;
let receiver: Receiver;
const processes: TestProcess[] = [];
/** Every command that Redis was given. */
const toRedis: string[] = [];
const errorBodies: string[] = [];
let metrics = '';

beforeAll(async () => {
  receiver = await startReceiver();
  installation = await createInstallation({
    env: { LOG_LEVEL: 'trace', CALLBACK_ALLOW: '127.0.0.1', TRUSTED_PROXIES: '1' },
  });
  const { env, redis, databaseUrl } = installation;
  secrets.secretKey = env.SECRET_KEY ?? '';
  secrets.databasePassword = new URL(databaseUrl).password;
  secrets.redisPassword = new URL(redis.url).password;
  const client = new Redis(redis.url);
  const monitor = await client.monitor();
  client.disconnect();
  // It ends with the Redis that is killed.
  monitor.on('error', () => monitor.disconnect());
  monitor.on('monitor', (_time: string, args: string[]) => toRedis.push(args.join(' ')));
  web = await installation.startWeb();
  processes.push(web.process, await installation.startWorker());
  await play();
  monitor.disconnect();
});

afterAll(async () => await receiver.stop());

/** Makes a key as an operator does. */
async function generateAtTerminal(...options: string[]) {
  const { DATABASE_URL = '', SECRET_KEY = '' } = installation.env;
  const cli = startProcess({
    script: 'handlers/cli/keys.ts',
    args: ['generate', ...options],
    env: { DATABASE_URL, SECRET_KEY },
  });
  expect(await cli.exit).toMatchObject({ code: 0 });
  const [, apiKey = '', apiSecret = ''] = /API KEY: (\w{32}) \| API SECRET: (\w{32})/.exec(cli.stdout()) ?? [];
  const [signingSecret = ''] = /whsec_\S+/.exec(cli.stdout()) ?? [];
  return { apiKey, apiSecret, signingSecret };
}

async function send(path: string, headers: Record<string, string>, method = 'GET', body?: string): Promise<string> {
  const answer = await ask(web.url + path, { method, headers, ...(body === undefined ? {} : { body }) });
  if (answer.status >= 400) errorBodies.push(answer.body);
  return answer.body;
}

/** Uses everything once, well and badly, and lets Postgres, Redis and a worker fail. */
async function play(): Promise<void> {
  const [key, bound] = [await generateAtTerminal('--role', 'admin'), await generateAtTerminal('--rule', 'apps:list')];
  Object.assign(secrets, { apiSecret: key.apiSecret, boundSecret: bound.apiSecret, signingSecret: key.signingSecret });
  const own = { 'Api-Key': key.apiKey, 'Api-Secret': key.apiSecret };
  const basic = `Basic ${Buffer.from(`${key.apiKey}:${key.apiSecret}`).toString('base64')}`;
  secrets.basic = basic.slice('Basic '.length);
  const json = { ...own, 'Content-Type': 'application/json' };
  const accept = async (cmd: string, more: object = {}) =>
    JSON.parse(await send('/commands', json, 'POST', JSON.stringify({ cmd, ...more }))) as { token: string };

  const daemon = installation.daemons.get('default');
  await daemon?.addSwitch({ match: /^config:set api A/, dokku: { stdout: `A=${texts.output}` } });
  const callback_url = `${receiver.url}/${texts.callback}`;
  const { token } = await accept(`config:set api A=${texts.command}`, { callback_url });
  expect((await web.final(token)).result_data?.output).toContain(texts.output);
  await receiver.waitForRequests(1);

  await send(`/commands?cmd=config:set+api+B=${texts.query}&sync=true`, { Authorization: basic }, 'POST');
  await send(`/commands?q=${texts.search}`, own);
  await send(`/commands/${token}/retry`, own, 'POST');
  await send(`/commands/${token}`, { ...own, Accept: 'text/plain' });
  await send(`/commands`, json, 'POST', JSON.stringify({ cmd: `config:set api > ${texts.refused}` }));
  await send('/commands', json, 'POST', `{"cmd": "${texts.json}`);
  await send(
    '/commands',
    json,
    'POST',
    JSON.stringify({ cmd: 'apps', callback_url: `http://10.0.0.1/${texts.callback}` }),
  );
  const boundTo = { 'Api-Key': bound.apiKey, 'Api-Secret': bound.apiSecret, 'Content-Type': 'application/json' };
  await send('/commands', boundTo, 'POST', JSON.stringify({ cmd: `config:set api C=${texts.refused}` }));
  await send('/commands', { ...own, 'Api-Secret': secrets.wrongSecret ?? '' });
  await send(`/${texts.path}?${texts.query}`, { ...own, Cookie: `a=${secrets.cookie}` });
  await send(`/${secrets.apiSecret}`, {});
  await send('/commands', { ...own, Host: `a ${texts.path}` }).catch(() => undefined);

  await refuseInPostgres(`NEW.output LIKE '%${texts.rejectedOutput}%'`, `'the output is ' || NEW.output`, 'update');
  await daemon?.addSwitch({ match: /^config:set api D/, dokku: { stdout: texts.rejectedOutput } });
  await accept(`config:set api D=${texts.command}`);
  expect((await processes[1]?.exit)?.code).toBe(1);
  await refuseInPostgres(`NEW.command LIKE '%${texts.rejected}%'`, `'the command is ' || NEW.command`, 'insert');
  expect(await accept(`config:set api E=${texts.rejected}`)).toMatchObject({ code: 'internal_error' });

  await installation.redis.kill('SIGKILL');
  await accept(`config:set api F=${texts.command}`);
  await installation.database.execute(
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
  );
  await send('/commands', own);
  metrics = await send('/metrics', own);
}

/** Makes Postgres say no to a row, and quote what is in it. */
async function refuseInPostgres(when: string, message: string, event: 'insert' | 'update'): Promise<void> {
  await installation.database.$client.query(`
    CREATE FUNCTION refuse_${event}() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN IF ${when} THEN RAISE EXCEPTION USING MESSAGE = ${message}; END IF; RETURN NEW; END $$;
    CREATE TRIGGER refuse_${event} BEFORE ${event} ON dokku_api.commands FOR EACH ROW EXECUTE FUNCTION refuse_${event}()`);
}

/** As it is, and as others may write it. */
const forms = (secret: string) => {
  const bytes = Buffer.from(secret);
  return [secret, bytes.toString('base64').replace(/=+$/, ''), bytes.toString('hex'), encodeURIComponent(secret)];
};

function expectNone(where: string, text: string, held: Record<string, string>): void {
  for (const [name, secret] of Object.entries(held)) {
    expect(secret.length, name).toBeGreaterThan(15);
    const found = forms(secret).filter((form) => text.includes(form));
    expect([where, name, found]).toEqual([where, name, []]);
  }
}

test('what processes print: commands are named by their tokens', async () => {
  const printed = processes.flatMap(({ lines }) => lines()).join('\n');
  expect(printed).toMatch(/"token":"[0-9a-f]{64}"/);
  for (const happened of ['command ended', 'worker ends', 'request failed by a defect', 'Redis counted no request']) {
    expect(printed).toContain(happened);
  }
  expectNone('the logs', printed, { ...texts, ...secrets });
});

test('errors, and metrics', () => {
  expect(errorBodies.length).toBeGreaterThanOrEqual(8);
  expectNone('the errors', errorBodies.join('\n'), { ...texts, ...secrets });
  expect(metrics).toContain('# HELP');
  expectNone('the metrics', metrics, { ...texts, ...secrets });
});

test('Redis', () => {
  expect(toRedis.some((line) => /xadd/i.test(line))).toBe(true);
  expectNone('Redis', toRedis.join('\n'), { ...texts, ...secrets });
});

test('the process list, and what Postgres shows of connections', async () => {
  const lines = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      } catch {
        // It has ended since the folder was read.
        return '';
      }
    });
  expect(lines.some((line) => line.includes('server'))).toBe(true);
  expectNone('the process list', lines.join('\n'), { ...texts, ...secrets });
  const activity = await query(
    installation.databaseUrl,
    'select application_name, query from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
  );
  expectNone('pg_stat_activity', JSON.stringify(activity), { ...texts, ...secrets });
});

test('the database: hashes of API secrets, sealed signing secrets, and commands as their owners sent them', async () => {
  const { rows: tables } = await installation.database.execute<{ name: string }>(
    `select table_name as name from information_schema.tables where table_schema = 'dokku_api'`,
  );
  const dump = await Promise.all(
    tables.map(async ({ name }) =>
      JSON.stringify(await query(installation.databaseUrl, `select t::text from dokku_api.${name} t`)),
    ),
  );
  const text = dump.join('\n');
  expect(text).toContain(
    createHash('sha256')
      .update(secrets.apiSecret ?? '')
      .digest('hex'),
  );
  expect(text).toContain('v1.');
  expect(text).toContain(texts.command);
  expectNone('the database', text, secrets);
  expectNone('the database', text, { signingKey: secrets.signingSecret?.slice('whsec_'.length) ?? '' });
});

test('a change is told to the other processes by its number and state alone', () => {
  const published = toRedis.filter((line) => /^publish/i.test(line));
  expect(published.length).toBeGreaterThan(0);
  for (const line of published) expect(line).toMatch(/^publish \S+ \d+ [a-z_]+(?:,\d+ [a-z_]+)*$/i);
});
