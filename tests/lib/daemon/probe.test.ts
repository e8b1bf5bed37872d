import { getEventListeners } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { probe } from '../../../lib/daemon/probe.ts';
import { freshFolder, startServer } from './scripted-server.ts';

const dialect = 'dokku-daemon';

test.each(['help', 'commands'] as const)('%s is asked on a connection of its own', async (command) => {
  const lines: string[] = [];
  const server = await startServer({
    onLine: (socket, line) => {
      lines.push(line);
      socket.write('{"ok":true,"output":"apps\\nlogs"}\n');
    },
  });
  const answer = { kind: 'reply', ok: true, output: 'apps\nlogs', truncated: false };
  expect(await probe({ path: server.path, command, dialect, timeoutMs: 2000 })).toEqual(answer);
  expect(await probe({ path: server.path, command, dialect })).toEqual(answer);
  expect(lines).toEqual([command, command]);
  expect((await server.accepted()).socket).not.toBe((await server.accepted()).socket);
});

test('the answer of a daemon that sends true JSON', async () => {
  const server = await startServer({ onLine: (socket) => socket.write('{"ok": true, "output": "apps"}\n') });
  expect(await probe({ path: server.path, command: 'help', dialect: 'json' })).toMatchObject({ output: 'apps' });
});

test('no daemon', async () => {
  const path = join(freshFolder(), 'daemon.sock');
  expect(await probe({ path, command: 'help', dialect })).toMatchObject({ kind: 'unsent', error: { code: 'ENOENT' } });
});

test('a daemon that dies', async () => {
  const server = await startServer({ onLine: (socket) => socket.destroy() });
  expect(await probe({ path: server.path, command: 'help', dialect })).toMatchObject({ why: 'closed' });
});

test('no answer in the time given', async () => {
  const server = await startServer();
  const outcome = await probe({ path: server.path, command: 'help', dialect, timeoutMs: 30 });
  expect(outcome).toMatchObject({ kind: 'unanswered', why: 'abandoned' });
  const daemon = await server.accepted();
  await expect.poll(daemon.ended).toBe(true);
  expect(daemon.received()).toBe('help\n');
});

test('giving up before and while waiting leaves no listener', async () => {
  const server = await startServer({ onLine: () => controller.abort() });
  const early = await probe({ path: server.path, command: 'help', dialect, signal: AbortSignal.abort() });
  expect(early).toMatchObject({ kind: 'unsent', error: { code: 'ECANCELED' } });
  const controller = new AbortController();
  const { signal } = controller;
  expect(await probe({ path: server.path, command: 'help', dialect, signal })).toMatchObject({ why: 'abandoned' });
  expect(getEventListeners(signal, 'abort')).toHaveLength(0);
});
