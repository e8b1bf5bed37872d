/**
 * A command by which Dokku stops dokku-api itself. Of a redeploy Dokku answers before it stops the old containers; of
 * `ps:stop`, and of a redeploy without zero downtime, only when they have ended.
 */
import { beforeAll, expect, test } from 'vitest';
import { createInstallation, type Installation, type Web } from '../support/installation.ts';
import { waitFor } from '../support/process.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { Replicas } from '../support/replicas.ts';
import type { StandIn } from '../support/stand-in.ts';
import { type Stored, storedIn } from '../support/stored.ts';

let installation: Installation;
let web: Web;
let daemon: StandIn;
let stored: Stored;
let receiver: Receiver;
let replicas: Replicas;

beforeAll(async () => {
  receiver = await startReceiver();
  installation = await createInstallation({ env: { CALLBACK_ALLOW: '127.0.0.1' } });
  daemon = installation.daemons.get('default') as StandIn;
  stored = storedIn(installation.database);
  replicas = new Replicas(installation);
  web = await installation.startWeb();
  return async () => await receiver.stop();
});

const accept = (cmd: string, more: Record<string, string> = {}) =>
  web.accept({ cmd, callback_url: `${receiver.url}/hook`, ...more });

async function calledBack(token: string): Promise<void> {
  await waitFor(() => receiver.requests.some(({ body }) => body.includes(token)), {
    describe: `the callback of ${token}`,
  });
}

test('a redeploy: the old worker ends the command, also where it is stopped under it, and the new one goes on', async () => {
  const old = await replicas.start();
  await replicas.owner();
  const hold = await daemon.hold('ps:rebuild dokku-api');
  const redeploy = await accept('ps:rebuild dokku-api');
  await hold.held();
  // Dokku starts the new containers, and stops the old ones; both come with a second SIGTERM from Dokku.
  const successor = await replicas.start();
  old.process.signal('SIGTERM');
  old.process.signal('SIGTERM');
  await waitFor(async () => (await stored.beatOf(successor.id)) > 0, { describe: 'a beat of the successor' });
  const next = await accept('apps:list');
  await hold.release();

  expect(await web.final(redeploy.token)).toMatchObject({ state: 'succeeded', result_data: { ok: true } });
  expect(await old.process.exit).toEqual({ code: 0, signal: null });
  expect(await web.final(next.token)).toMatchObject({ state: 'succeeded' });
  for (const { command, token } of [redeploy, next]) {
    expect(daemon.timesSent(command)).toBe(1);
    await calledBack(token);
  }
  successor.process.signal('SIGTERM');
  await successor.process.exit;
});

test('a stop that waits for the worker, which waits for it: timed_out ends both, and the next worker goes on', async () => {
  const worker = await replicas.start();
  await replicas.owner();
  const hold = await daemon.hold('ps:stop dokku-api');
  const stop = await accept('ps:stop dokku-api', { timeout: '3' });
  const next = await accept('apps:list');
  await hold.held();
  worker.process.signal('SIGTERM');
  // Dokku's command ends when the container has.
  expect(await worker.process.exit).toEqual({ code: 0, signal: null });
  await hold.release();
  expect(await web.final(stop.token)).toMatchObject({ state: 'timed_out', reason: 'command_timed_out' });
  expect(await stored.command(next.token)).toMatchObject({ state: 'queued' });

  const later = await replicas.start();
  expect(await web.final(next.token)).toMatchObject({ state: 'succeeded' });
  for (const { command, token } of [stop, next]) {
    expect(daemon.timesSent(command)).toBe(command === 'apps:list' ? 2 : 1);
    await calledBack(token);
  }
  later.process.signal('SIGTERM');
  await later.process.exit;
});

test('a stop that kills the worker first, for want of time: lost, never sent again, and the next worker goes on', async () => {
  const worker = await replicas.start();
  await replicas.owner();
  const hold = await daemon.hold('ps:stop dokku-api --now');
  const stop = await accept('ps:stop dokku-api --now');
  await hold.held();
  worker.process.signal('SIGTERM');
  worker.process.signal('SIGKILL');
  await worker.process.exit;
  await hold.release();
  await replicas.start();
  const next = await accept('apps:list');
  expect(await web.final(next.token, 30_000)).toMatchObject({ state: 'succeeded' });
  expect(await web.final(stop.token)).toMatchObject({ state: 'lost', reason: 'command_lost' });
  expect(daemon.timesSent(stop.command)).toBe(1);
  await calledBack(stop.token);
});
