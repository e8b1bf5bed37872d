/** Deploys that take a server away, and that add one. */
import { beforeAll, expect, test } from 'vitest';
import { createInstallation, type Installation, type Web } from '../support/installation.ts';
import { startProcess, type TestProcess, waitFor } from '../support/process.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { Replicas } from '../support/replicas.ts';
import type { StandIn } from '../support/stand-in.ts';
import { type Stored, storedIn } from '../support/stored.ts';

/** In place of a minute. */
const removedAfterMs = 1500;

let installation: Installation;
let web: Web;
let stored: Stored;
let receiver: Receiver;
/** Of the version that knows all servers. */
let replicas: Replicas;
/** Of the version that knows one server alone. */
let smaller: TestProcess;

beforeAll(async () => {
  receiver = await startReceiver();
  installation = await createInstallation({
    servers: ['default', 'eu', 'us'],
    env: { LEASE_SECONDS: '2', CALLBACK_ALLOW: '127.0.0.1' },
  });
  stored = storedIn(installation.database);
  replicas = new Replicas(installation);
  smaller = startProcess({
    script: 'tests/support/hasty-worker.ts',
    env: { ...installation.env, DOKKU_SERVERS: '', REMOVED_AFTER_MS: String(removedAfterMs) },
  });
  [web] = await Promise.all([installation.startWeb(), smaller.waitForLog(({ msg }) => msg === 'lease taken')]);
  return async () => await receiver.stop();
});

const daemonOf = (server: string) => installation.daemons.get(server) as StandIn;
const accept = (server: string, name: string) =>
  web.accept({ cmd: `config:set api ${name}=${server}`, server, callback_url: `${receiver.url}/hook` });
const stateOf = async ({ token }: { token: string }) => (await stored.command(token)).state;

/** Long enough for the hasty one to end what it takes for removed. */
async function sweepsPass() {
  const since = performance.now();
  await waitFor(() => performance.now() - since > 2.5 * removedAfterMs, { describe: 'several sweeps to pass' });
}

test('a server is added: nothing fails while replicas run that do not know it', async () => {
  await replicas.fill(1);
  const hold = await daemonOf('eu').hold(/RUNNING/);
  const running = await accept('eu', 'RUNNING');
  const queued = await accept('eu', 'QUEUED');
  await hold.held();
  await sweepsPass();
  expect([await stateOf(running), await stateOf(queued)]).toEqual(['running', 'queued']);
  await hold.release();
  for (const { token, command } of [running, queued]) {
    expect(await web.final(token)).toMatchObject({ state: 'succeeded' });
    expect(daemonOf('eu').timesSent(command)).toBe(1);
  }
});

test('a server is removed: queued commands fail as server_removed, a running one is lost, others go on', async () => {
  await replicas.fill(1);
  const larger = await replicas.owner('eu');
  await daemonOf('us').setListener('absent');
  const hold = await daemonOf('eu').hold(/LAST/);
  const running = await accept('eu', 'LAST');
  const queued = [await accept('eu', 'NEVER'), await accept('us', 'NEVER'), await accept('us', 'NEITHER')];
  await hold.held();
  larger.process.signal('SIGKILL');
  for (const { token, command, server } of queued) {
    expect(await web.final(token)).toMatchObject({
      state: 'failed',
      reason: 'server_removed',
      result_data: { ok: false, output: 'server_removed' },
      started_at: null,
    });
    expect(daemonOf(server).timesSent(command)).toBe(0);
  }
  expect(await web.final(running.token)).toMatchObject({ state: 'lost', reason: 'command_lost' });
  const tokens = [running, ...queued].map(({ token }) => token);
  await waitFor(
    async () =>
      (await Promise.all(tokens.map((token) => stored.delivery(token)))).every(({ state }) => state === 'delivered'),
    { describe: 'their callbacks' },
  );
  const other = await accept('default', 'OTHER');
  expect(await web.final(other.token)).toMatchObject({ state: 'succeeded' });

  // It comes back, and Dokku is still at work there: what is asked of it now waits for the lock.
  await replicas.start();
  await replicas.owner('eu');
  const back = await accept('eu', 'BACK');
  await waitFor(async () => (await daemonOf('eu').status()).waiting.length > 0, {
    describe: 'somebody to ask for the lock',
  });
  expect((await stored.lease('eu')).blockedBy).toBe(running.token);
  expect(await stored.command(back.token)).toMatchObject({ state: 'queued', reason: null });
  await hold.release();
  expect(await web.final(back.token)).toMatchObject({ state: 'succeeded' });
});
