/** Commands that outlast their time. Each test has a server of its own. */
import { beforeAll, describe, expect, test } from 'vitest';
import { holdRequest } from '../support/held-message.ts';
import { createInstallation, type Installation, type Web } from '../support/installation.ts';
import { waitFor } from '../support/process.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { Replicas } from '../support/replicas.ts';
import type { StandIn } from '../support/stand-in.ts';
import { type Stored, storedIn } from '../support/stored.ts';

let installation: Installation;
let web: Web;
let stored: Stored;
let receiver: Receiver;
/** Between the workers and Postgres. */
let postgres: TestProxy;
let replicas: Replicas;

beforeAll(async () => {
  receiver = await startReceiver();
  installation = await createInstallation({
    servers: ['default', 'late', 'never', 'silent', 'again'],
    env: { LEASE_SECONDS: '2', CALLBACK_ALLOW: '127.0.0.1' },
  });
  stored = storedIn(installation.database);
  postgres = await startProxy({ target: installation.databaseUrl });
  replicas = new Replicas(installation, { DATABASE_URL: postgres.url(installation.databaseUrl) });
  [web] = await Promise.all([installation.startWeb(), replicas.start()]);
  await Promise.all([...installation.daemons.keys()].map((server) => replicas.owner(server)));
  return async () => await receiver.stop();
});

const daemonOf = (server: string) => installation.daemons.get(server) as StandIn;
const callbacksOf = (token: string) => receiver.requests.filter((request) => JSON.parse(request.body).token === token);

/** A command that may take a second. */
const accept = (server: string, name: string) =>
  web.accept({
    cmd: `config:set api ${name}=${server}`,
    server,
    timeout: '1',
    callback_url: `${receiver.url}/hook`,
  });

async function timedOut(token: string) {
  const command = await web.final(token);
  expect(command).toMatchObject({
    state: 'timed_out',
    reason: 'command_timed_out',
    result_data: { ok: false, output: 'command_timed_out' },
    late_result_data: null,
  });
  expect(command.duration_ms).toBeGreaterThanOrEqual(1000);
  expect(command.duration_ms).toBeLessThan(3000);
  await waitFor(() => callbacksOf(token).length > 0, { describe: 'the callback' });
  return command;
}

/** That of a worker that died goes on waiting, as the daemon has no look at who asked. */
async function helpsWait(server: string, count: number) {
  await waitFor(
    async () => (await daemonOf(server).status()).waiting.filter(({ line }) => line === 'help').length === count,
    { describe: `${count} times help to wait for the lock` },
  );
}

/** The server is blocked by the first, and the next one waits for its turn for longer than it may run. */
async function waitsFor(server: string, first: string, next: string, helps = 1) {
  expect(await stored.lease(server)).toMatchObject({ blockedSince: expect.any(Date), blockedBy: first });
  await helpsWait(server, helps);
  const since = performance.now();
  await waitFor(() => performance.now() - since > 1500, { describe: 'more than the time of a command to pass' });
  expect(await stored.command(next)).toMatchObject({ state: 'queued', startedAt: null, waitedMs: 0 });
  expect((await stored.lease(server)).blockedSince).not.toBeNull();
}

async function succeeded(token: string) {
  const command = await web.final(token);
  expect(command).toMatchObject({ state: 'succeeded', late_result_data: null });
  expect(command.duration_ms).toBeLessThan(1000);
}

describe.concurrent('the command outlasts its time', () => {
  test('and is answered later: kept beside the result, and the next one runs as the lock is free', async () => {
    const daemon = daemonOf('late');
    const hold = await daemon.hold(/FIRST/);
    const [first, next] = [await accept('late', 'FIRST'), await accept('late', 'NEXT')];
    const command = await timedOut(first.token);
    await waitsFor('late', first.token, next.token);
    await hold.release();
    await succeeded(next.token);
    await waitFor(async () => (await stored.command(first.token)).lateOk, { describe: 'the late result' });
    expect(await web.final(first.token)).toEqual({
      ...command,
      late_result_data: { ok: true, output: expect.stringContaining('FIRST') },
    });
    // The callback says what became final, and no more.
    expect(callbacksOf(first.token).map(({ body }) => JSON.parse(body))).toEqual([command]);
    expect(await stored.lease('late')).toMatchObject({ blockedSince: null, blockedBy: null });
    const [before, after] = daemon.runs().filter(({ line }) => line.startsWith('config:set'));
    expect((after?.startedAt ?? 0n) >= (before?.endedAt ?? 0n)).toBe(true);
    expect([first, next].map(({ command: line }) => daemon.timesSent(line))).toEqual([1, 1]);
  });

  test('and never ends: the server stays blocked, and the queue waits', async () => {
    const daemon = daemonOf('never');
    await daemon.hold(/FIRST/);
    const [first, next] = [await accept('never', 'FIRST'), await accept('never', 'NEXT')];
    await timedOut(first.token);
    await waitsFor('never', first.token, next.token);
    expect(daemon.timesSent(next.command)).toBe(0);
  });

  test('ends, and its answer never comes: unblocked all the same', async () => {
    const daemon = daemonOf('silent');
    await daemon.addSwitch({ match: /FIRST/, reply: { kind: 'silent' } });
    const [first, next] = [await accept('silent', 'FIRST'), await accept('silent', 'NEXT')];
    await timedOut(first.token);
    await succeeded(next.token);
    expect(await stored.command(first.token)).toMatchObject({ state: 'timed_out', lateOk: null });
    expect((await stored.lease('silent')).blockedSince).toBeNull();
  });

  test('and so does the next one; the unblock of the first comes late: the block of the second stays', async () => {
    const daemon = daemonOf('again');
    const [holdFirst, holdSecond] = [await daemon.hold(/FIRST/), await daemon.hold(/SECOND/)];
    const [first, second] = [await accept('again', 'FIRST'), await accept('again', 'SECOND')];
    await timedOut(first.token);
    const third = await accept('again', 'THIRD');
    await helpsWait('again', 1);
    const unblocking = holdRequest(postgres, 'update "dokku_api"."leases" set "blocked_since"', 'again');
    await holdFirst.release();
    await unblocking.reached;
    // The worker gives that try up, and the next one succeeds.
    await timedOut(second.token);
    expect(await stored.lease('again')).toMatchObject({ blockedBy: second.token });
    unblocking.settle('forward');
    await waitsFor('again', second.token, third.token);
    expect(daemon.timesSent(third.command)).toBe(0);
    await holdSecond.release();
    await succeeded(third.token);
    expect([first, second, third].map(({ command }) => daemon.timesSent(command))).toEqual([1, 1, 1]);
  });
});

test('the worker dies after timed_out, while Dokku still runs the command: the successor finds the server blocked and waits', async () => {
  const daemon = daemonOf('default');
  const hold = await daemon.hold(/FIRST/);
  const [first, next] = [await accept('default', 'FIRST'), await accept('default', 'NEXT')];
  const command = await timedOut(first.token);
  await helpsWait('default', 1);
  const { id } = await replicas.killOwner();
  await replicas.start();
  expect((await replicas.owner()).id).not.toBe(id);
  await waitsFor('default', first.token, next.token, 2);
  await hold.release();
  await succeeded(next.token);
  const [before, after] = daemon.runs().filter(({ line }) => line.startsWith('config:set'));
  expect((after?.startedAt ?? 0n) >= (before?.endedAt ?? 0n)).toBe(true);
  expect([first, next].map(({ command: line }) => daemon.timesSent(line))).toEqual([1, 1]);
  expect(await web.final(first.token)).toEqual(command);
  expect(callbacksOf(first.token)).toHaveLength(1);
});
