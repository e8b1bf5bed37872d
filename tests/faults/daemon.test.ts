/** The daemon is out of reach, or fails with a command in hand. Each test has a server of its own, so all run at once. */
import { beforeAll, describe, expect, test } from 'vitest';
import { createInstallation, type Installation, type Web } from '../support/installation.ts';
import { waitFor } from '../support/process.ts';
import { Replicas } from '../support/replicas.ts';
import type { StandIn } from '../support/stand-in.ts';
import type { SwitchOptions } from '../support/stand-in-control.ts';
import { type Stored, storedIn } from '../support/stored.ts';

const waitSeconds = 2;

/** Answers that are none, each on a server of its own. */
const badAnswers: [server: string, reply: NonNullable<SwitchOptions['reply']>][] = [
  ['closes-unread', { kind: 'close', when: 'before-run' }],
  ['closes-mid-run', { kind: 'close', when: 'at-start' }],
  ['closes-silently', { kind: 'close', when: 'at-reply' }],
  ['no-newline', { kind: 'no-newline' }],
  ['cut-off', { kind: 'cut-off', bytes: 20 }],
  ['garbage', { kind: 'garbage', bytes: '<html>502 Bad Gateway</html>\n' }],
  ['half-garbage', { kind: 'garbage', bytes: Buffer.from([0xff, 0x00, 0x7b]), close: true }],
];

let installation: Installation;
let web: Web;
let stored: Stored;
let replicas: Replicas;

beforeAll(async () => {
  installation = await createInstallation({
    servers: ['default', 'absent', 'refusing', 'away', 'restarting', 'restarted', 'dying', 'answering'],
    env: { LEASE_SECONDS: '2', DAEMON_WAIT: String(waitSeconds) },
  });
  stored = storedIn(installation.database);
  replicas = new Replicas(installation);
  [web] = await Promise.all([installation.startWeb(), replicas.start()]);
  await Promise.all([...installation.daemons.keys()].map((server) => replicas.owner(server)));
});

const daemonOf = (server: string) => installation.daemons.get(server) as StandIn;

/** Accepts a command on the server, whose line names it. */
async function accept(server: string, name: string) {
  const { token, command } = await web.accept({ cmd: `config:set api ${name}=${server}`, server });
  return { token, timesSent: () => daemonOf(server).timesSent(command) };
}

async function succeeded({ token, timesSent }: { token: string; timesSent: () => number }) {
  expect(await web.final(token)).toMatchObject({ state: 'succeeded', result_data: { ok: true } });
  expect(timesSent()).toBe(1);
}

async function lost({ token }: { token: string }) {
  expect(await web.final(token)).toMatchObject({
    state: 'lost',
    reason: 'command_lost',
    result_data: { ok: false, output: 'command_lost' },
    late_result_data: null,
  });
}

describe.concurrent('nothing was sent', () => {
  test.each(['absent', 'refusing'] as const)(
    '%s: queued for DAEMON_WAIT, each in its turn, then daemon_unavailable',
    async (mode) => {
      await daemonOf(mode).setListener(mode);
      const first = await accept(mode, 'FIRST');
      const second = await accept(mode, 'SECOND');
      await waitFor(async () => (await stored.command(first.token)).waitedMs > 0, {
        describe: 'the wait to be charged',
      });
      expect(await stored.command(first.token)).toMatchObject({ state: 'queued', startedAt: null });
      expect((await stored.lease(mode)).unreachableSince).not.toBeNull();
      for (const { token, timesSent } of [first, second]) {
        expect(await web.final(token)).toMatchObject({
          state: 'failed',
          reason: 'daemon_unavailable',
          result_data: { ok: false, output: 'daemon_unavailable' },
          started_at: null,
        });
        expect(timesSent()).toBe(0);
      }
      const [one, two] = [await stored.command(first.token), await stored.command(second.token)];
      const msBetween = (from: Date | null, to: Date | null) => Number(to) - Number(from);
      // Each waits its own time: the second only since the first one's end.
      expect(msBetween(one.createdAt, one.ranAt)).toBeGreaterThanOrEqual(waitSeconds * 1000);
      expect(msBetween(one.ranAt, two.ranAt)).toBeGreaterThanOrEqual(waitSeconds * 1000 - 1000);
      await daemonOf(mode).setListener('listening');
      await succeeded(await accept(mode, 'THIRD'));
      expect((await stored.lease(mode)).unreachableSince).toBeNull();
    },
  );

  test('away for less than DAEMON_WAIT: it runs once', async () => {
    await daemonOf('away').setListener('absent');
    const command = await accept('away', 'WAITS');
    await waitFor(async () => (await stored.command(command.token)).waitedMs > 300, {
      describe: 'half a second of wait',
    });
    await daemonOf('away').setListener('listening');
    await succeeded(command);
  });

  test('restarting with nothing in hand: it runs once', async () => {
    const restarting = daemonOf('restarting').restartDaemon({ downMs: 500 });
    const command = await accept('restarting', 'WAITS');
    await restarting;
    await succeeded(command);
  });
});

describe.concurrent('something was sent: lost, never sent again, and the next one runs', () => {
  test('restarted mid-command; what still runs has time to end', async () => {
    const daemon = daemonOf('restarted');
    const hold = await daemon.hold(/FIRST/);
    const first = await accept('restarted', 'FIRST');
    const next = await accept('restarted', 'NEXT');
    await hold.held();
    await daemon.restartDaemon();
    await lost(first);
    // The lock is another one since: that it is free says nothing of the command from before.
    await daemon.waitForRun('help', 10_000);
    const answered = performance.now();
    await waitFor(() => performance.now() - answered > 1000, { describe: 'a second to pass' });
    expect(next.timesSent()).toBe(0);
    await hold.release();
    await succeeded(next);
    expect(first.timesSent()).toBe(1);
    const [before, after] = daemon.runs().filter(({ line }) => line.startsWith('config:set'));
    expect(before?.endedAt !== null && (after?.startedAt ?? 0n) >= (before?.endedAt ?? 0n)).toBe(true);
  });

  test('dying mid-command', async () => {
    const daemon = daemonOf('dying');
    const hold = await daemon.hold(/FIRST/);
    const first = await accept('dying', 'FIRST');
    const next = await accept('dying', 'NEXT');
    await hold.held();
    await daemon.kill('SIGKILL');
    await lost(first);
    expect(await stored.command(next.token)).toMatchObject({ state: 'queued' });
    await daemon.restart();
    await succeeded(next);
    expect(first.timesSent()).toBe(1);
  });

  test('closing unread, mid-run, without a reply or without its newline; cut off; garbage', async () => {
    const daemon = daemonOf('answering');
    for (const [name, reply] of badAnswers) {
      await daemon.addSwitch({ match: new RegExp(`BAD=${name}`), reply });
      const first = await web.accept({ cmd: `config:set api BAD=${name}`, server: 'answering' });
      const next = await web.accept({ cmd: `config:set api NEXT=${name}`, server: 'answering' });
      await lost(first);
      expect(await web.final(next.token)).toMatchObject({ state: 'succeeded' });
      expect([first, next].map(({ command }) => daemon.timesSent(command))).toEqual([1, 1]);
    }
  });
});

test('the time that a command waits is counted over all who waited', async () => {
  const daemon = daemonOf('default');
  await daemon.setListener('absent');
  const command = await accept('default', 'WAITS');
  const waited = async () => (await stored.command(command.token)).waitedMs;
  await waitFor(async () => (await waited()) > 1000, { describe: 'a second of wait' });
  await replicas.killOwner();
  const before = await waited();
  expect(await stored.command(command.token)).toMatchObject({ state: 'queued' });
  await replicas.start();
  expect(await web.final(command.token)).toMatchObject({ state: 'failed', reason: 'daemon_unavailable' });
  // The second one alone has not waited for as long as DAEMON_WAIT.
  const { ranAt } = await stored.command(command.token);
  const since = (await stored.lease()).unreachableSince;
  expect(await waited()).toBeGreaterThanOrEqual(before);
  expect(Number(ranAt) - Number(since)).toBeLessThan(waitSeconds * 1000);
  expect(command.timesSent()).toBe(0);
});
