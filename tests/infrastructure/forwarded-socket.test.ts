/** The daemon of another host, its socket forwarded by the unit in deploy/. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { remediesFor } from '../../handlers/cli/doctor/remedies.ts';
import { createInstallation, type Installation, type Web } from '../support/installation.ts';
import { waitFor } from '../support/process.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { type StandIn, startStandIn } from '../support/stand-in.ts';
import { consult } from './doctor.ts';
import { commandLine, Forward, settingOf, unitPath } from './forward-unit.ts';
import { makeFolder } from './program.ts';
import { type SshHost, startSshHost } from './ssh-host.ts';

/** ServerAliveInterval times ServerAliveCountMax, the restart, and a machine that has other things to do. */
const noticedWithinMs = 40_000;

let remote: StandIn;
let host: SshHost;
/** The network between the two hosts. */
let network: TestProxy;
let forward: Forward;
let installation: Installation;
let web: Web;
let env: Record<string, string>;

beforeAll(async () => {
  remote = await startStandIn();
  host = await startSshHost({ socketPath: remote.socketPath, user: 'nobody' });
  network = await startProxy({ target: host.port });
  const configurationFolder = makeFolder('forward');
  const runtimeFolder = makeFolder('daemons');
  host.writeClientFiles(configurationFolder);
  writeFileSync(
    join(configurationFolder, 'ssh_config'),
    [
      'Host eu',
      'HostName 127.0.0.1',
      `Port ${network.port}`,
      `HostKeyAlias [127.0.0.1]:${host.port}`,
      'User nobody',
      '',
    ].join('\n'),
  );
  forward = new Forward({ instance: 'eu', configurationFolder, runtimeFolder });
  await forward.start();
  await waitFor(() => existsSync(forward.socketPath), {
    describe: () => `the forwarded socket; ssh printed:\n${forward.output}`,
  });
  installation = await createInstallation();
  env = { ...installation.env, DOKKU_SERVERS: `eu=${forward.socketPath}`, DAEMON_WAIT: '120', LEASE_SECONDS: '2' };
  [web] = await Promise.all([installation.startWeb(env), installation.startWorker(env)]);
  return () => forward.stop();
});

const accept = (value: string) => web.accept({ cmd: `config:set api FORWARDED=${value}`, server: 'eu' });

test('a command goes through, and the doctor finds nothing', async () => {
  const { token, command } = await accept('first');
  expect(await web.final(token)).toMatchObject({ state: 'succeeded', server: 'eu' });
  expect(remote.timesSent(command)).toBe(1);
  expect(await consult(env, 'socket of eu')).toBe(
    `ok socket of eu ${forward.socketPath} answers; Dokku's lock is free`,
  );
  // Of a container's user, whoever that is.
  expect(statSync(forward.socketPath).mode & 0o777).toBe(0o666);
});

test('megabytes come back whole', async () => {
  const output = 'ü'.repeat(1_500_000);
  await remote.addSwitch({ match: 'apps:list', dokku: { stdout: output } });
  const { token } = await web.accept({ cmd: 'apps:list', server: 'eu' });
  expect((await web.final(token)).result_data).toEqual({ ok: true, output });
});

test('the other host goes down: commands stay queued, and run when it is back', async () => {
  await host.kill();
  const [first, second] = [await accept('away'), await accept('away-too')];
  await waitFor(async () => (await consult(env, 'socket of eu')).includes('nobody listens on this socket'), {
    timeout: 20_000,
    describe: 'the doctor to find nobody behind the socket',
  });
  for (const { token } of [first, second]) {
    expect(await (await web.get(`/commands/${token}`)).json()).toMatchObject({ state: 'queued', started_at: null });
  }
  const starts = forward.starts;
  await host.start();
  for (const { token, command } of [first, second]) {
    expect(await web.final(token, noticedWithinMs)).toMatchObject({ state: 'succeeded' });
    expect(remote.timesSent(command)).toBe(1);
  }
  expect(forward.starts).toBeGreaterThan(starts);
});

test('the network falls silent under a command: it is lost, at most once sent, and the next one runs', async () => {
  const hold = await remote.hold(/FORWARDED=silence/);
  const running = await accept('silence');
  const next = await accept('after');
  await hold.held();
  network.strand();
  await hold.release();
  expect(await web.final(running.token, noticedWithinMs)).toMatchObject({ state: 'lost', reason: 'command_lost' });
  expect(await web.final(next.token, noticedWithinMs)).toMatchObject({ state: 'succeeded' });
  for (const { command } of [running, next]) expect(remote.timesSent(command)).toBe(1);
});

test('the daemon of the other host is away behind a living forward: one command may be lost unsent, the queue waits', async () => {
  // SSH takes a connection before it knows whether the other side will: a whole way there and back later.
  network.delay = 40;
  await remote.stop();
  const [first, second] = [await accept('daemon-away'), await accept('daemon-away-too')];
  await waitFor(async () => /^(warning|failed)/.test(await consult(env, 'socket of eu')), {
    describe: 'the doctor to say that the daemon is away',
  });
  await remote.restart();
  const { state } = await web.final(first.token, noticedWithinMs);
  expect(['succeeded', 'lost']).toContain(state);
  expect(remote.timesSent(first.command)).toBe(state === 'lost' ? 0 : 1);
  expect(await web.final(second.token, noticedWithinMs)).toMatchObject({ state: 'succeeded' });
  expect(remote.timesSent(second.command)).toBe(1);
  network.delay = 0;
});

test('systemd takes the unit as it is', () => {
  // Verified as an instance, whose name is that of the file.
  const instance = join(makeFolder('unit'), 'dokku-daemon-forward@eu.service');
  copyFileSync(unitPath, instance);
  expect(execFileSync('/usr/bin/systemd-analyze', ['verify', '--man=no', instance], { encoding: 'utf8' })).toBe('');
  const words = commandLine({ instance: 'eu', configurationFolder: '/etc/x', runtimeFolder: '/run/y' });
  expect(words.slice(-2)).toEqual(['/run/y/eu.sock:/var/run/dokku-daemon/dokku-daemon.sock', 'eu']);
});

test('what the doctor says to do of a socket where the unit has it', () => {
  const { startDaemon, restartDaemon } = remediesFor('dokku');
  expect(settingOf('RuntimeDirectory')).toBe('dokku-daemons');
  expect(startDaemon('/run/dokku-daemons/eu.sock')).toBe('systemctl restart dokku-daemon-forward@eu');
  expect(restartDaemon('/run/dokku-daemons/eu.sock')).toBe('systemctl restart dokku-daemon (on the host of eu)');
});
