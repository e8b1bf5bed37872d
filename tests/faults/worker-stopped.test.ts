/** A worker is stopped for twice its lease and then goes on, as a machine that was suspended does. */
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { holdAnswer, holdRequest } from '../support/held-message.ts';
import { createInstallation, type Installation, type Web } from '../support/installation.ts';
import { waitFor } from '../support/process.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { type Replica, Replicas } from '../support/replicas.ts';
import type { StandIn } from '../support/stand-in.ts';
import { type Stored, storedIn } from '../support/stored.ts';

const leaseSeconds = 2;

let installation: Installation;
let web: Web;
let daemon: StandIn;
let stored: Stored;
let receiver: Receiver;
let postgres: TestProxy;
let replicas: Replicas;

beforeAll(async () => {
  receiver = await startReceiver();
  installation = await createInstallation({
    env: { LEASE_SECONDS: String(leaseSeconds), CALLBACK_ALLOW: '127.0.0.1' },
  });
  daemon = installation.daemons.get('default') as StandIn;
  stored = storedIn(installation.database);
  postgres = await startProxy({ target: installation.databaseUrl });
  replicas = new Replicas(installation, { DATABASE_URL: postgres.url(installation.databaseUrl) });
  web = await installation.startWeb();
  await replicas.fill(2);
  return async () => await receiver.stop();
});

beforeEach(async () => await replicas.owner());
afterEach(async () => await daemon.reset());

async function stopOwner(): Promise<{ stopped: Replica; goOn: () => Promise<void> }> {
  const stopped = await replicas.owner();
  stopped.process.signal('SIGSTOP');
  const since = performance.now();
  return {
    stopped,
    goOn: async () => {
      await waitFor(() => performance.now() - since > 2 * leaseSeconds * 1000, { describe: 'twice the lease to pass' });
      stopped.process.signal('SIGCONT');
      await stopped.process.waitForLog((entry) => entry.msg === 'lease lost to another worker');
    },
  };
}

const callbacksOf = (token: string) => receiver.requests.filter((request) => JSON.parse(request.body).token === token);

test('stopped mid-command: the command is lost, its late result is kept beside, the queue goes on', async () => {
  const hold = await daemon.hold('config:set api STOPPED=mid-command');
  const first = await web.accept({ cmd: 'config:set api STOPPED=mid-command', callback_url: `${receiver.url}/hook` });
  const queued = await Promise.all([1, 2, 3].map((n) => web.accept({ cmd: `config:set api STOPPED=queued-${n}` })));
  await hold.held();
  const { stopped, goOn } = await stopOwner();
  const lost = await web.final(first.token);
  expect(lost).toMatchObject({ state: 'lost', reason: 'command_lost', late_result_data: null });
  await hold.release();
  for (const { token } of queued) expect(await web.final(token)).toMatchObject({ state: 'succeeded' });
  const before = await Promise.all(queued.map(({ token }) => stored.command(token)));
  await waitFor(() => callbacksOf(first.token).length > 0, { describe: 'the callback' });

  await goOn();
  const late = await waitFor(
    async () => {
      const row = await stored.command(first.token);
      return row.lateOk === null ? null : row;
    },
    { describe: 'the late result' },
  );
  expect(late).toMatchObject({ state: 'lost', ok: false, output: 'command_lost', lateOk: true });
  expect(await web.final(first.token)).toEqual({
    ...lost,
    late_result_data: { ok: true, output: expect.stringContaining('STOPPED') },
  });
  // Another command passes by way of the new owner; the one that went on has sent nothing.
  const after = await web.accept({ cmd: 'config:set api STOPPED=afterwards' });
  await web.final(after.token);
  expect(await Promise.all(queued.map(({ token }) => stored.command(token)))).toEqual(before);
  expect((await replicas.owner()).id).not.toBe(stopped.id);
  for (const name of ['mid-command', 'queued-1', 'queued-2', 'queued-3', 'afterwards']) {
    expect(daemon.timesSent(`config:set api STOPPED=${name}`)).toBe(1);
  }
  expect(callbacksOf(first.token).map(({ body }) => JSON.parse(body))).toEqual([lost]);
});

test('stopped mid-command, and Postgres is lost as it looks what became of that: it lives, and keeps the late result', async () => {
  const cmd = 'config:set api STOPPED=look-lost';
  const hold = await daemon.hold(cmd);
  const first = await web.accept({ cmd });
  await hold.held();
  const { stopped, goOn } = await stopOwner();
  await web.final(first.token);
  await hold.release();
  const look = holdRequest(postgres, 'find_command');
  await goOn();
  await look.reached;
  look.settle('cut');
  await waitFor(async () => (await stored.command(first.token)).lateOk, { describe: 'the late result' });
  expect(replicas.alive).toContain(stopped);
});

test('stopped between claim and write: it sends nothing when it goes on', async () => {
  const claim = holdAnswer(postgres, 'claim_command', 'STOPPED=before-write');
  const first = await web.accept({ cmd: 'config:set api STOPPED=before-write' });
  const next = await web.accept({ cmd: 'config:set api STOPPED=next' });
  await claim.reached;
  const { stopped, goOn } = await stopOwner();
  // It finds the claim's answer as soon as it goes on.
  claim.settle('forward');
  const lost = await web.final(first.token);
  expect(lost).toMatchObject({ state: 'lost', reason: 'command_lost' });
  await web.final(next.token);
  await goOn();
  // All that it still had in hand is over when it can end.
  stopped.process.signal('SIGTERM');
  expect(await stopped.process.exit).toEqual({ code: 0, signal: null });
  expect(await web.final(first.token)).toEqual(lost);
  expect(daemon.timesSent('config:set api STOPPED=before-write')).toBe(0);
  expect(daemon.timesSent('config:set api STOPPED=next')).toBe(1);
});
