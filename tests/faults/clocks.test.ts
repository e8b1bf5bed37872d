/** The wall clock of one process at a time is stepped by an hour, with a command running and others queued. */
import { beforeAll, expect, test } from 'vitest';
import type { WireCommand } from '../../lib/command.ts';
import { createInstallation, type Installation, type Web } from '../support/installation.ts';
import { type TestProcess, waitFor } from '../support/process.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { type Replica, Replicas } from '../support/replicas.ts';
import type { StandIn } from '../support/stand-in.ts';
import { stepClock, steppableClock } from '../support/stepped-clock.ts';
import { type Stored, storedIn } from '../support/stored.ts';

let installation: Installation;
let web: Web;
let daemon: StandIn;
let stored: Stored;
let receiver: Receiver;
let owner: Replica;
let other: Replica;

beforeAll(async () => {
  receiver = await startReceiver();
  installation = await createInstallation({
    env: { LEASE_SECONDS: '2', CALLBACK_ALLOW: '127.0.0.1', ...steppableClock },
  });
  daemon = installation.daemons.get('default') as StandIn;
  stored = storedIn(installation.database);
  const replicas = new Replicas(installation);
  [web] = await Promise.all([installation.startWeb(), replicas.fill(2)]);
  owner = await replicas.owner();
  other = replicas.alive.find(({ id }) => id !== owner.id) as Replica;
  return async () => await receiver.stop();
});

const steps: [who: string, hours: number, process: () => TestProcess][] = [
  ['the web process', 1, () => web.process],
  ['the worker that holds the lease', 1, () => owner.process],
  ['the worker that looks on', 1, () => other.process],
  ['the web process', -1, () => web.process],
  ['the worker that holds the lease', -1, () => owner.process],
  ['the worker that looks on', -1, () => other.process],
];

test.each(steps)('%s is stepped by %i hours, and back again', async (who, hours, process) => {
  const lease = await stored.lease();
  const [lasting, expired] = await Promise.all([
    installation.generateKey({ expiresAfterMs: 1_800_000 }),
    installation.generateKey({ expiresAfterMs: 1 }),
  ]);
  const as = ({ apiKey, apiSecret }: typeof lasting) => ({ 'Api-Key': apiKey, 'Api-Secret': apiSecret });
  const name = `${who.replaceAll(' ', '-')}/${hours}`;
  const once = { ...as(lasting), 'Idempotency-Key': name };
  const post = async (headers: Record<string, string>, number: number) => {
    const cmd = `config:set api STEPPED=${name}/${number}`;
    const response = await web.post('/commands', { cmd, callback_url: `${receiver.url}/${number}` }, headers);
    return { status: response.status, command: (await response.json()) as WireCommand };
  };

  receiver.answerWith(({ path }) => (path === '/1' ? 500 : 200));
  const hold = await daemon.hold(new RegExp(`${name}/1$`));
  const first = await post(once, 1);
  await hold.held();
  const second = await post(as(lasting), 2);
  const began = performance.now();
  await stepClock(process(), hours);
  const third = await post(as(lasting), 3);
  expect((await post(once, 1)).command.token).toBe(first.command.token);
  expect((await post(as(expired), 4)).status).toBe(401);
  if (process() !== web.process) {
    // Longer than a lease: whoever would take it has looked at it several times.
    await waitFor(() => performance.now() - began > 2500, { describe: 'more than a lease to pass' });
  }
  expect(await stored.command(second.command.token)).toMatchObject({ state: 'queued' });
  await hold.release();

  const tokens = [first, second, third].map(({ command }) => command.token);
  for (const token of tokens) {
    const command = await web.final(token);
    expect(command).toMatchObject({ state: 'succeeded', late_result_data: null });
    for (const time of [command.created_at, command.started_at, command.ran_at]) {
      expect(Math.abs(Date.parse(String(time)) - Date.now())).toBeLessThan(60_000);
    }
    expect(command.duration_ms).toBeLessThan(60_000);
  }
  expect(await stored.lease()).toMatchObject({ owner: lease.owner, epoch: lease.epoch, blockedSince: null });
  const runs = daemon.runs().filter(({ line }) => line.includes(`${name}/`));
  expect(runs.map(({ line }) => line)).toEqual([1, 2, 3].map((number) => `config:set api STEPPED=${name}/${number}`));
  for (const [index, run] of runs.entries()) expect(run.startedAt >= (runs[index - 1]?.endedAt ?? 0n)).toBe(true);

  // A callback that failed is due when it would have been: five seconds later, not at once and not in an hour.
  const failed = await waitFor(
    async () => {
      const delivery = await stored.delivery(tokens[0] ?? '');
      return delivery.attempts.length > 0 && delivery;
    },
    { describe: 'the failed attempt' },
  );
  const dueAfterMs = Number(failed.nextAt) - Number(failed.attempts[0]?.at);
  expect(dueAfterMs).toBeGreaterThan(3900);
  expect(dueAfterMs).toBeLessThan(7000);
  await waitFor(async () => (await stored.delivery(tokens[2] ?? '')).state === 'delivered', { describe: 'a callback' });
  await stepClock(process(), -hours);
});
