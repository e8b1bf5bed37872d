import { execFile } from 'node:child_process';
import { getEventListeners } from 'node:events';
import { chmodSync, linkSync, mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { openConnection } from '../../../lib/daemon/connection.ts';
import { DaemonUnavailable } from '../../../lib/daemon/daemon-unavailable.ts';
import { asOrdinaryUser, freshFolder, startServer, startStoppedListener } from './scripted-server.ts';

const settings = { connectTimeoutMs: 2000, maximumOutputBytes: 1000, dialect: 'dokku-daemon' } as const;

async function refusal(path: string, more: { connectTimeoutMs?: number; signal?: AbortSignal } = {}) {
  const error = await openConnection({ ...settings, path, ...more }).then(
    () => expect.unreachable('connected'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DaemonUnavailable);
  const { code, message, path: named } = error as DaemonUnavailable;
  expect(named).toBe(path);
  expect(message).toContain(path);
  return { code, message };
}

test('no socket, and no folder for it', async () => {
  const path = join(freshFolder(), 'daemon.sock');
  expect(await refusal(path)).toEqual({
    code: 'ENOENT',
    message: expect.stringMatching(/Start dokku-daemon.*mount its folder/),
  });
  expect(await refusal(join(path, 'deeper.sock'))).toMatchObject({ code: 'ENOENT' });
});

test('a socket that nobody listens on', async () => {
  const server = await startServer();
  const left = join(freshFolder(), 'left.sock');
  linkSync(server.path, left);
  await server.close();
  expect(await refusal(left)).toEqual({
    code: 'ECONNREFUSED',
    message: expect.stringMatching(/nobody listens.*mount its folder/),
  });
});

test('a socket, or a folder, that is closed to this user', async () => {
  const server = await startServer();
  chmodSync(join(server.path, '..'), 0o755);
  chmodSync(server.path, 0o600);
  const denied = { code: 'EACCES', message: expect.stringContaining('0777') };
  if (process.geteuid?.() !== 0) chmodSync(server.path, 0o000);
  expect(await asOrdinaryUser(() => refusal(server.path))).toEqual(denied);
  chmodSync(server.path, 0o777);
  const connection = await asOrdinaryUser(() => openConnection({ ...settings, path: server.path }));
  connection.destroy();
  chmodSync(join(server.path, '..'), process.geteuid?.() === 0 ? 0o700 : 0o000);
  expect(await asOrdinaryUser(() => refusal(server.path))).toEqual(denied);
  chmodSync(join(server.path, '..'), 0o700);
});

test('a file or a folder where the socket should be', async () => {
  const folder = freshFolder();
  writeFileSync(join(folder, 'file'), '');
  mkdirSync(join(folder, 'daemon.sock'));
  for (const name of ['file', 'daemon.sock']) {
    const expected = { code: 'ENOTSOCK', message: expect.stringContaining('mount its folder') };
    expect(await refusal(join(folder, name))).toEqual(expected);
  }
});

test('a daemon that accepts nothing: connections wait for it until there is no more room', async () => {
  const path = await startStoppedListener();
  const waiting = [await openConnection({ ...settings, path }), await openConnection({ ...settings, path })];
  expect(waiting.map(({ usable }) => usable)).toEqual([true, true]);
  expect(await refusal(path)).toEqual({ code: 'EAGAIN', message: expect.stringContaining('hangs') });
  for (const connection of waiting) connection.destroy();
});

test('no connection within the time given', async () => {
  const { path } = await startServer();
  // The kernel connects at once or not at all. What can be late is this process: it stalls behind each poll.
  let stalling = true;
  const stall = () => {
    for (const since = performance.now(); performance.now() - since < 5; );
    if (stalling) nextTurn(stall);
  };
  stall();
  onTestFinished(() => {
    stalling = false;
  });
  expect(await refusal(path, { connectTimeoutMs: 1 })).toEqual({
    code: 'ETIMEDOUT',
    message: expect.stringContaining('in time'),
  });
});

test('giving up, before and meanwhile, and no say afterwards', async () => {
  const { path } = await startServer();
  expect(await refusal(path, { signal: AbortSignal.abort() })).toMatchObject({ code: 'ECANCELED' });
  const controller = new AbortController();
  const refused = refusal(path, { signal: controller.signal });
  controller.abort();
  expect(await refused).toMatchObject({ code: 'ECANCELED' });
  const later = new AbortController();
  const connection = await openConnection({ ...settings, path, signal: later.signal });
  expect(getEventListeners(later.signal, 'abort')).toHaveLength(0);
  later.abort();
  expect(connection.usable).toBe(true);
  connection.destroy();
});

test('the socket has one identity as long as it is the same, and another after a restart', async () => {
  const first = await startServer();
  const identities = [];
  for (let times = 0; times < 2; times += 1) {
    const connection = await openConnection({ ...settings, path: first.path });
    identities.push(connection.socketIdentity);
    connection.destroy();
  }
  await first.close();
  await startServer({ path: first.path });
  const connection = await openConnection({ ...settings, path: first.path });
  expect(identities[1]).toBe(identities[0]);
  expect(connection.socketIdentity).not.toBe(identities[0]);
  connection.destroy();
});

test('a connection never bears the identity of another socket than its own', async () => {
  const folder = freshFolder();
  const path = join(folder, 'daemon.sock');
  const restart = async (name: string) => {
    const fresh = join(folder, name);
    await startServer({ path: fresh, onLine: (socket) => socket.write(`{"ok":true,"output":"${ino}"}\n`) });
    const { ino } = statSync(fresh);
    return () => renameSync(fresh, path);
  };
  const first = await restart('first');
  first();
  const seen = { connected: 0, stale: 0 };
  for (let attempt = 0; attempt < 500 && (seen.connected < 10 || seen.stale < 5); attempt += 1) {
    const replace = await restart(`next-${attempt}`);
    const opening = openConnection({ ...settings, path }).catch((error: DaemonUnavailable) => error);
    // The replacement falls into each phase of connecting in turn, and behind all of them.
    if (attempt % 12 === 0) await opening;
    for (let turns = 0; turns < attempt % 12; turns += 1) await setImmediate();
    replace();
    const connection = await opening;
    if (connection instanceof DaemonUnavailable) {
      expect(connection.code).toBe('ESTALE');
      seen.stale += 1;
    } else {
      const outcome = await connection.send('which');
      expect(outcome).toMatchObject({ kind: 'reply', output: connection.socketIdentity.split(':')[1] });
      seen.connected += 1;
    }
  }
  expect(seen.connected).toBeGreaterThanOrEqual(10);
  expect(seen.stale).toBeGreaterThanOrEqual(5);
});

test('a process ends with an idle connection, and lives for one that waits', async () => {
  const { path } = await startServer({
    onLine: (socket) => setTimeout(() => socket.write('{"ok":true,"output":"late"}\n'), 300),
  });
  const run = async (rest: string) => {
    const script = `
      import { openConnection } from ${JSON.stringify(new URL('../../../lib/daemon/connection.ts', import.meta.url))};
      const connection = await openConnection(${JSON.stringify({ ...settings, path })});
      console.log('usable', connection.usable);
      ${rest}`;
    const options = ['--import', 'tsx', '--input-type=module', '--eval', script];
    const { stdout } = await promisify(execFile)(process.execPath, options, { timeout: 20_000 });
    return stdout;
  };
  expect(await run('')).toBe('usable true\n');
  expect(await run(`connection.send('apps').then(({ output }) => console.log(output))`)).toBe('usable true\nlate\n');
});
