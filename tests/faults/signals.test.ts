/** SIGTERM twice, as Dokku sends it, with a command running. */
import { beforeAll, expect, test } from 'vitest';
import type { WireCommand } from '../../lib/command.ts';
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
  // With a lease of ten seconds, whoever takes over in two has not waited for its end.
  installation = await createInstallation({ env: { LEASE_SECONDS: '10', CALLBACK_ALLOW: '127.0.0.1' } });
  daemon = installation.daemons.get('default') as StandIn;
  stored = storedIn(installation.database);
  replicas = new Replicas(installation);
  [web] = await Promise.all([installation.startWeb(), replicas.start()]);
  await replicas.owner();
  return async () => await receiver.stop();
});

test('a worker: the command ends as it would have, nothing new is taken, the next replica takes over at once', async () => {
  const hold = await daemon.hold(/STOPPING=first/);
  const first = await web.accept({ cmd: 'config:set api STOPPING=first', callback_url: `${receiver.url}/hook` });
  const next = await web.accept({ cmd: 'config:set api STOPPING=next', callback_url: `${receiver.url}/hook` });
  await hold.held();
  const stopping = await replicas.owner();
  const { epoch } = await stored.lease();
  stopping.process.signal('SIGTERM');
  stopping.process.signal('SIGTERM');
  const successor = await replicas.start();
  // It has looked, and left the lease with the one that still reads.
  await waitFor(async () => (await stored.beatOf(successor.id)) > 0, { describe: 'a beat of the successor' });
  expect(await stored.lease()).toMatchObject({ owner: stopping.id, epoch });
  expect((await stored.command(first.token)).state).toBe('running');
  stopping.process.signal('SIGTERM');

  await hold.release();
  expect(await stopping.process.exit).toEqual({ code: 0, signal: null });
  const ended = performance.now();
  expect(await web.final(next.token)).toMatchObject({ state: 'succeeded' });
  expect(performance.now() - ended).toBeLessThan(2000);
  expect(await web.final(first.token)).toMatchObject({ state: 'succeeded', late_result_data: null });
  expect(await stored.command(first.token)).toMatchObject({ epoch });
  expect(await stored.command(next.token)).toMatchObject({ epoch: epoch + 1 });
  expect(await stored.lease()).toMatchObject({ owner: successor.id, epoch: epoch + 1, blockedSince: null });
  for (const { command } of [first, next]) expect(daemon.timesSent(command)).toBe(1);
  await waitFor(() => receiver.requests.length >= 2, { describe: 'both callbacks' });
  const calledBack = receiver.requests.map(({ body }) => (JSON.parse(body) as WireCommand).token);
  expect(new Set(calledBack)).toEqual(new Set([first.token, next.token]));
  expect(calledBack).toHaveLength(2);
});

test('a web process: who waits is answered as things stand, and the command goes on', async () => {
  const second = await installation.startWeb();
  const hold = await daemon.hold(/STOPPING=web/);
  const waiting = second.post('/commands', { cmd: 'config:set api STOPPING=web', sync: 'true' });
  await hold.held();
  second.process.signal('SIGTERM');
  second.process.signal('SIGTERM');
  const answer = await waiting;
  expect(answer.status).toBe(200);
  const command = (await answer.json()) as WireCommand;
  expect(command).toMatchObject({ state: 'running', ran_at: null, result_data: null });
  expect(await second.process.exit).toEqual({ code: 0, signal: null });
  await expect(second.get('/healthz')).rejects.toThrow();
  await hold.release();
  expect(await web.final(command.token)).toMatchObject({ state: 'succeeded' });
  expect(daemon.timesSent('config:set api STOPPING=web')).toBe(1);
});
