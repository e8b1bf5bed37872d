import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type ConnectionOptions, openConnection } from '../../../lib/daemon/connection.ts';
import { recordedExchanges } from './reply-model.ts';
import { isPending, type ScriptedServer, startServer } from './scripted-server.ts';

const reply = '{"ok":true,"output":"=====> My Apps\\napi"}\n';
const answered = { kind: 'reply', ok: true, output: '=====> My Apps\napi', truncated: false };

function open(server: ScriptedServer, more: Partial<ConnectionOptions> = {}) {
  return openConnection({
    path: server.path,
    connectTimeoutMs: 2000,
    maximumOutputBytes: 1_048_576,
    dialect: 'dokku-daemon',
    ...more,
  });
}

test('one line out, its answer back, and this side closes', async () => {
  const server = await startServer({ onLine: (socket) => socket.write(reply) });
  const connection = await open(server);
  const daemon = await server.accepted();
  expect(connection.usable).toBe(true);
  const sending = connection.send('config:set shop K=é');
  expect(connection.usable).toBe(false);
  expect(await sending).toEqual(answered);
  await connection.closed;
  expect(daemon.received()).toBe(Buffer.from('config:set shop K=é\n').toString('latin1'));
});

test('every recorded request is written, and its answer read, byte for byte', async () => {
  let exchange: (typeof recordedExchanges)[number] | undefined;
  const server = await startServer({ onLine: (socket) => socket.write(exchange?.reply ?? '') });
  for (exchange of recordedExchanges) {
    const request = exchange.request.toString().slice(0, -1);
    if (!Buffer.from(`${request}\n`).equals(exchange.request)) continue;
    const connection = await open(server);
    const daemon = await server.accepted();
    const outcome = await connection.send(request);
    expect(daemon.received()).toBe(exchange.request.toString('latin1'));
    expect(outcome).toMatchObject({ kind: 'reply', ok: exchange.reply.includes('{"ok":true,') });
  }
});

test('the sending side stays open until the answer came', async () => {
  const server = await startServer();
  const connection = await open(server);
  const daemon = await server.accepted();
  const sending = connection.send('apps');
  await expect.poll(daemon.received).toBe('apps\n');
  expect(await isPending(sending)).toBe(true);
  expect(daemon.ended()).toBe(false);
  daemon.socket.write(reply);
  expect(await sending).toEqual(answered);
  await expect.poll(daemon.ended).toBe(true);
});

test('an answer that comes one byte at a time', async () => {
  const server = await startServer({
    onLine: async (socket) => {
      for (const byte of Buffer.from('{"ok":false,"output":"caf\\"é€😀\\n"}\n')) {
        socket.write(Uint8Array.of(byte));
        await setImmediate();
      }
    },
  });
  const connection = await open(server);
  expect(await connection.send('logs shop')).toEqual({
    kind: 'reply',
    ok: false,
    output: 'caf"é€😀\n',
    truncated: false,
  });
});

test('true JSON, where the server is said to speak it', async () => {
  const server = await startServer({ onLine: (socket) => socket.write('{"output": "\\u00e9", "ok": true}\n') });
  const asJson = await open(server, { dialect: 'json' });
  expect(await asJson.send('apps')).toEqual({ kind: 'reply', ok: true, output: 'é', truncated: false });
  const asDokku = await open(server);
  const outcome = await asDokku.send('apps');
  expect(outcome).toMatchObject({ kind: 'unanswered', why: 'malformed' });
});

test('no answer, until a late one', async () => {
  const server = await startServer();
  const connection = await open(server);
  const daemon = await server.accepted();
  const sending = connection.send('apps');
  await expect.poll(daemon.received).toBe('apps\n');
  const timedOut = await Promise.race([sending, setImmediate('timed out')]);
  expect(timedOut).toBe('timed out');
  daemon.socket.write(reply);
  expect(await sending).toEqual(answered);
});

const brokenEnds = [
  ['in the middle of an answer', '{"ok":true,"output":"half', /closed the connection after 25 bytes/],
  ['after an answer without its newline', reply.trimEnd(), /closed the connection/],
  ['without a byte', '', /closed the connection after 0 bytes.*See whether the command ran/],
] as const;
test.each(brokenEnds)('the daemon dies %s', async (_name, bytes, message) => {
  const server = await startServer({ onLine: (socket) => socket.write(bytes, () => socket.destroy()) });
  const connection = await open(server);
  const outcome = await connection.send('apps');
  expect(outcome).toMatchObject({
    kind: 'unanswered',
    why: 'closed',
    error: { message: expect.stringMatching(message) },
  });
  await connection.closed;
});

test('the daemon shuts only its sending side', async () => {
  const server = await startServer({ onLine: (socket) => socket.end('{"ok":true') });
  const outcome = await (await open(server)).send('apps');
  expect(outcome).toMatchObject({ kind: 'unanswered', why: 'closed' });
});

test('the daemon dies with the command unread', async () => {
  const server = await startServer({ reads: false });
  const connection = await open(server);
  const daemon = await server.accepted();
  const sending = connection.send('apps');
  daemon.socket.destroy();
  expect(await sending).toMatchObject({ kind: 'unanswered', why: 'error', error: { cause: { code: 'ECONNRESET' } } });
});

test('the daemon dies at the moment of the write, unnoticed', async () => {
  const server = await startServer();
  const connection = await open(server);
  const daemon = await server.accepted();
  daemon.socket.destroy();
  expect(connection.usable).toBe(true);
  expect(await connection.send('apps')).toMatchObject({
    kind: 'unanswered',
    why: 'error',
    error: { cause: { code: 'EPIPE' } },
  });
});

test('the answer is garbage', async () => {
  const server = await startServer({ onLine: (socket) => socket.write('bash: fork: Cannot allocate memory\n') });
  const connection = await open(server);
  const outcome = await connection.send('apps');
  expect(outcome).toMatchObject({
    kind: 'unanswered',
    why: 'malformed',
    error: { message: expect.stringContaining('DOKKU_DAEMON_JSON') },
  });
  await connection.closed;
});

test('something unasked came before the command: nothing is sent', async () => {
  const server = await startServer({ onConnection: (socket) => socket.write(reply) });
  const connection = await open(server);
  const daemon = await server.accepted();
  await connection.closed;
  expect(connection.usable).toBe(false);
  expect(await connection.send('apps')).toMatchObject({ kind: 'unsent', error: { code: 'EPROTO' } });
  expect(daemon.received()).toBe('');
});

test('the daemon closed while idle: nothing is sent', async () => {
  const server = await startServer();
  const connection = await open(server);
  const daemon = await server.accepted();
  expect(await isPending(connection.closed)).toBe(true);
  daemon.socket.end();
  await connection.closed;
  expect(connection.usable).toBe(false);
  const outcome = await connection.send('apps');
  expect(outcome).toMatchObject({
    kind: 'unsent',
    error: { code: 'EOF', message: expect.stringContaining('Try again') },
  });
  expect(daemon.received()).toBe('');
});

test('this side closes: idle, waiting, and twice', async () => {
  const server = await startServer();
  const idle = await open(server);
  idle.destroy();
  expect(idle.usable).toBe(false);
  await idle.closed;
  expect(await idle.send('apps')).toMatchObject({ kind: 'unsent', error: { code: 'ECANCELED' } });

  const waiting = await open(server);
  const sending = waiting.send('apps');
  waiting.destroy();
  waiting.destroy();
  expect(await sending).toMatchObject({ kind: 'unanswered', why: 'abandoned' });
  await waiting.closed;
});

test('a command with a newline is refused before anything is written', async () => {
  const server = await startServer({ onLine: (socket) => socket.write(reply) });
  const connection = await open(server);
  const daemon = await server.accepted();
  for (const command of ['apps\n', '\n', 'apps\napps:destroy shop --force']) {
    expect(() => connection.send(command)).toThrow(TypeError);
  }
  expect(connection.usable).toBe(true);
  expect(await connection.send('apps')).toEqual(answered);
  expect(daemon.received()).toBe('apps\n');
});

test('a second command is refused', async () => {
  const server = await startServer({ onLine: (socket) => socket.write(reply) });
  const connection = await open(server);
  const daemon = await server.accepted();
  const sending = connection.send('apps');
  expect(() => connection.send('apps')).toThrow(TypeError);
  expect(await sending).toEqual(answered);
  expect(() => connection.send('apps')).toThrow(TypeError);
  expect(daemon.received()).toBe('apps\n');
});

test('an answer of 50 MB is cut, and its ok is right', async () => {
  const piece = Buffer.alloc(1_000_000, 'a line of \\"text\\"\\n');
  let fed = 0;
  const server = await startServer({
    onLine: async (socket) => {
      socket.write('{"ok":false,"output":"');
      for (; fed < 50; fed += 1) await new Promise((resolve) => socket.write(piece, resolve));
      socket.write('"}\n');
    },
  });
  const connection = await open(server, { maximumOutputBytes: 10_000 });
  const outcome = await connection.send('logs shop');
  expect(outcome).toMatchObject({ kind: 'reply', ok: false, truncated: true });
  expect(outcome.kind === 'reply' && outcome.output.length).toBe(10_000);
  expect(fed).toBe(50);
});
