import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createInstallation, type Installation } from './support/installation.ts';
import { type TestProcess, waitFor } from './support/process.ts';
import { startProxy } from './support/proxy.ts';
import type { StandIn } from './support/stand-in.ts';

const secret = 'hunter2-in-clear';

/** A receiver of callbacks at a URL that is a secret itself. */
async function startReceiver(status: number): Promise<string> {
  const receiver = createServer((_, outgoing) => void outgoing.writeHead(status).end(secret)).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  onTestFinished(() => void receiver.close());
  return `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/${secret}?key=${secret}`;
}

function daemonOf(installation: Installation): StandIn {
  return installation.daemons.get('default') as StandIn;
}

function expectClean(process: TestProcess, kind: 'web' | 'worker', otherSecrets: readonly string[] = []): void {
  expect(process.stderr()).toBe('');
  const lines = process.stdout().trimEnd().split('\n');
  expect(lines.length).toBeGreaterThan(1);
  for (const line of lines) {
    const entry = JSON.parse(line) as Record<string, unknown>;
    expect(entry).toMatchObject({ process: kind, level: expect.any(String), msg: expect.stringMatching(/./) });
    expect(new Date(String(entry.time)).toISOString()).toBe(entry.time);
    for (const hidden of [secret, ...otherSecrets]) expect(line).not.toContain(hidden);
  }
}

test('one request is followed by its id from the web process through the worker to its callback', async () => {
  const installation = await createInstallation({ env: { CALLBACK_ALLOW: '127.0.0.1' } });
  const web = await installation.startWeb();
  const worker = await installation.startWorker();
  await daemonOf(installation).addSwitch({ times: 'always', dokku: { stdout: secret, exit: 1 } });
  const fields = { cmd: `config:set shop PASSWORD=${secret}`, callback_url: await startReceiver(500) };
  const response = await web.post('/commands', fields, { 'X-Request-Id': 'request-of-the-test' });
  const { token } = (await response.json()) as { token: string };
  await web.final(token);
  await worker.waitForLog(({ msg }) => msg === 'callback attempted');

  const of = (process: TestProcess) =>
    process
      .entries()
      .filter(({ request_id }) => request_id === 'request-of-the-test')
      .map(({ time: _, level: __, process: ___, pid: ____, hostname: _____, duration_ms, ...entry }) => entry);
  expect(of(web.process)).toEqual([
    { server: 'default', token, request_id: 'request-of-the-test', msg: 'command accepted' },
    {
      method: 'POST',
      route: '/commands',
      status: 202,
      request_id: 'request-of-the-test',
      key: expect.stringMatching(/^key_/),
      msg: 'request',
    },
  ]);
  const named = { token, request_id: 'request-of-the-test' };
  expect(of(worker)).toEqual([
    { server: 'default', ...named, msg: 'command sent' },
    { server: 'default', ...named, state: 'failed', reason: null, msg: 'command ended' },
    {
      ...named,
      webhook_id: expect.stringMatching(/^msg_/),
      status: 500,
      error: null,
      state: 'pending',
      msg: 'callback attempted',
    },
  ]);
  expectClean(web.process, 'web');
  expectClean(worker, 'worker');
});

test('a cancellation and a repeated request are told, and name the command that they concern', async () => {
  const installation = await createInstallation();
  const web = await installation.startWeb();
  const named = (id: string) => ({ 'X-Request-Id': id });
  const repeated = { 'Idempotency-Key': 'once' };
  const first = await web.post('/commands', { cmd: 'apps:list' }, { ...named('accepting'), ...repeated });
  const { token } = (await first.json()) as { token: string };
  await web.post('/commands', { cmd: 'apps:list' }, { ...named('repeating'), ...repeated });
  const key = await installation.generateKey({ role: 'admin' });
  await fetch(`${web.url}/commands/${token}`, {
    method: 'DELETE',
    headers: { 'Api-Key': key.apiKey, 'Api-Secret': key.apiSecret, ...named('canceling') },
  });
  await web.process.waitForLog(({ request_id, msg }) => request_id === 'canceling' && msg === 'request');
  const told = web.process
    .entries()
    .filter((entry) => entry.token === token)
    .map(({ request_id, msg }) => `${request_id}: ${msg}`);
  expect(told).toEqual([
    'accepting: command accepted',
    'repeating: command accepted before',
    'canceling: command canceled',
  ]);
});

test('whatever goes wrong, no line holds a command, an output, a callback URL or a credential', async () => {
  const installation = await createInstallation({
    env: { CALLBACK_ALLOW: '127.0.0.1', LEASE_SECONDS: '2', LOG_LEVEL: 'debug' },
  });
  const proxy = await startProxy({ target: installation.databaseUrl });
  const env = { DATABASE_URL: proxy.url(installation.databaseUrl) };
  const web = await installation.startWeb(env);
  const worker = await installation.startWorker(env);
  const daemon = daemonOf(installation);
  const cmd = `config:set shop PASSWORD=${secret}`;
  const logged = (msg: string) => worker.waitForLog((entry) => entry.msg === msg, 20_000);
  const callback_url = await startReceiver(410);

  // A refused request, one with wrong credentials, one that cannot be read.
  await web.post('/commands', { cmd: `apps:list < ${secret}` });
  await web.post('/commands', { cmd }, { 'Api-Secret': secret });
  await web.post('/commands', {}, { 'Content-Type': 'application/json' });
  await fetch(`${web.url}/commands?cmd=${secret}%`);

  // No answer: the daemon goes away, and answers what is none.
  for (const reply of [
    { kind: 'close', when: 'at-reply' },
    { kind: 'garbage', bytes: `${secret}\n` },
  ] as const) {
    await daemon.addSwitch({ match: cmd, dokku: { stdout: secret }, reply });
    await web.final((await web.accept({ cmd, callback_url })).token);
  }
  await logged('a command that was sent has no answer');

  // Too late: the answer comes after the time limit.
  const hold = await daemon.hold(cmd);
  const late = await web.accept({ cmd, timeout: '1' });
  await hold.held();
  await web.final(late.token);
  await hold.release();
  await logged('late result recorded');

  // Postgres goes away with the result in hand, and Redis too.
  let cuts = 0;
  proxy.onData('toTarget', (chunk) =>
    chunk.includes(secret) && chunk.includes('finish_command') && cuts++ === 0 ? 'cut' : 'forward',
  );
  await daemon.addSwitch({ match: cmd, dokku: { stdout: secret } });
  await installation.redis.kill('SIGKILL');
  await web.final((await web.accept({ cmd, callback_url })).token);
  await logged('result not stored yet');

  // The daemon is out of reach, and back.
  await daemon.setListener('absent');
  await waitFor(() => worker.entries().some(({ code }) => code === 'ENOENT'), { describe: 'the daemon to be missed' });
  await daemon.setListener('listening');
  await logged('the daemon is in reach again');

  // A statement that Postgres refuses: an error of ours, with the command and its output as parameters.
  await daemon.addSwitch({ match: cmd, delayMs: 300, dokku: { stdout: secret } });
  const { token } = await web.accept({ cmd });
  await worker.waitForLog((entry) => entry.msg === 'command sent' && entry.token === token);
  await installation.database.$client.query('ALTER TABLE dokku_api.commands ADD CHECK (false) NOT VALID');
  expect((await web.post('/commands', { cmd })).status).toBe(500);
  await web.process.waitForLog(({ msg }) => msg === 'request failed by a defect of ours');
  await logged('worker ends: what it had in hand is left to a successor');
  expect(await worker.exit).toMatchObject({ code: 1 });

  const { password } = new URL(installation.databaseUrl);
  const redisPassword = new URL(installation.redis.url).password;
  expectClean(web.process, 'web', [password, redisPassword]);
  expectClean(worker, 'worker', [password, redisPassword]);
}, 60_000);
