import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { diagnose } from '../../../handlers/cli/doctor/diagnose.ts';
import { failed, ok } from '../../../handlers/cli/doctor/finding.ts';
import { reportLines } from '../../../handlers/cli/doctor/report.ts';
import { createInstallation, type Installation } from '../../support/installation.ts';
import { startProxy } from '../../support/proxy.ts';
import type { StandIn } from '../../support/stand-in.ts';
import { startObserver } from './doctor/observer.ts';
import { untilClean } from './doctor/patient.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const program =
  process.env.DOKKU_API_DIST === '1'
    ? [join(root, 'dist/handlers/cli/doctor.js')]
    : ['--import', import.meta.resolve('tsx'), join(root, 'handlers/cli/doctor.ts')];
let installation: Installation;
let daemon: StandIn;

beforeAll(async () => {
  installation = await createInstallation();
  daemon = installation.daemons.get('default') as StandIn;
  await installation.startWorker();
  await installation.generateKey();
  await untilClean(installation.env);
});

/** Runs the command, as `npm run -s doctor` does. */
async function doctor(environment: NodeJS.ProcessEnv, folder = tmpdir()) {
  const began = performance.now();
  const child = spawn(process.execPath, program, {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const [output, errors, code] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  return { code, output, errors, ms: performance.now() - began };
}

function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'doctor-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const checks = [
  'configuration',
  'Postgres',
  'migrations',
  'Redis',
  'socket of default',
  'worker',
  'server default',
  'stream of default',
  'queue of default',
  'storage',
  'callbacks',
  'signing secrets',
];

test('all is well: a plain line a check, in their order, and exit 0', async () => {
  const { code, output, errors } = await doctor(installation.env);
  expect(code).toBe(0);
  expect(errors).toBe('');
  const lines = output.trimEnd().split('\n');
  expect(lines.map((line) => line.slice(9, 31).trim())).toEqual(checks);
  for (const line of lines) expect(line).toMatch(/^ok {7}\S/);
});

test('something is wrong: one line with what to do below it, what builds on it is skipped, and exit 1', async () => {
  const { code, output } = await doctor({ ...installation.env, DATABASE_URL: 'postgres://u:secret@127.0.0.1:1/db' });
  expect(code).toBe(1);
  expect(output).toContain(
    [
      'failed   Postgres               postgres://u@127.0.0.1:1/db is not reached (ECONNREFUSED)',
      '         → systemctl start postgresql',
      'skipped  migrations             Postgres is not usable',
    ].join('\n'),
  );
  expect(output).toMatch(/^skipped {2}worker {17}the tables are not usable$/m);
  expect(output).toMatch(/^ok {7}socket of default/m);
});

test('a warning alone is exit 0', async () => {
  const { code, output } = await doctor({ ...installation.env, REDIS_URL: 'redis://:secret@127.0.0.1:1' });
  expect(output).toMatch(/^warning {2}Redis .*\n {9}→ systemctl start redis-server$/m);
  expect(code).toBe(0);
});

test('beside npm start it needs no settings, and names npm start', async () => {
  const folder = freshFolder();
  mkdirSync(join(folder, '.local'));
  const kept = ['DATABASE_URL', 'REDIS_URL', 'SECRET_KEY', 'DOKKU_DAEMON_SOCKET'];
  writeFileSync(join(folder, '.local/env'), kept.map((name) => `${name}='${installation.env[name]}'\n`).join(''));
  expect(await doctor({}, folder)).toMatchObject({ code: 0, errors: '' });
  await daemon.setListener('refusing');
  const broken = await doctor({}, folder);
  await daemon.setListener('listening');
  expect(broken.output).toContain(`${daemon.socketPath}: nobody listens on this socket\n         → npm start\n`);
  await untilClean(installation.env);
});

test('no secret is ever shown', async () => {
  const secret = 'hidden-from-view-1234567890';
  const broken = [
    { DATABASE_URL: `postgres://user:${secret}@127.0.0.1:1/db?password=${secret}`, SECRET_KEY: secret },
    { DATABASE_URL: installation.env.DATABASE_URL?.replace(/:[^:@]+@/, `:${secret}@`) },
    { REDIS_URL: `redis://:${secret}@127.0.0.1:1` },
    { REDIS_URL: installation.env.REDIS_URL?.replace(/:[^:@]+@/, `:${secret}@`) },
    { SECRET_KEY: `${secret}-and-some-more-of-it` },
    { DATABASE_URL: `${secret}://nowhere`, REDIS_URL: secret },
  ];
  const { password } = new URL(installation.databaseUrl);
  for (const changes of broken) {
    const { output, errors } = await doctor({ ...installation.env, ...changes });
    expect(output + errors).not.toContain(secret);
    expect(output + errors).not.toContain(password);
    expect(output).toMatch(/^(failed|warning)/m);
  }
});

test.each([
  ['server_version', /^failed {3}Postgres .*does not answer$/m],
  ['dokku_api.migrations', /^failed {3}migrations .*Query read timeout$/m],
  ['unnest', /^failed {3}worker .*timeout.*\n.*\nskipped {2}server default {9}no live worker has it$/m],
])('whatever hangs, Postgres from its query for %s on, it ends within 20 s', async (word, expected) => {
  const postgres = await startProxy({ target: installation.databaseUrl });
  let mute = false;
  postgres.onData('toTarget', (chunk) => {
    mute ||= chunk.includes(word);
    return 'forward';
  });
  postgres.onData('toClient', () => (mute ? 'swallow' : 'forward'));
  await daemon.kill('SIGSTOP');
  installation.redis.pause();
  try {
    const env = { ...installation.env, DATABASE_URL: postgres.url(installation.databaseUrl) };
    const { code, output, ms } = await doctor(env);
    expect(code).toBe(1);
    expect(ms).toBeLessThan(20_000);
    expect(output).toMatch(expected);
    expect(output).toMatch(/^warning {2}Redis .*it does not answer/m);
    expect(output).toMatch(/^failed {3}socket of default .*accepts, and does not answer/m);
  } finally {
    await daemon.kill('SIGCONT');
    installation.redis.resume();
  }
  await untilClean(installation.env);
});

test('a user that may not reach the socket', async () => {
  const look = startObserver();
  if (process.getuid?.() === 0) await look({ user: 65534 });
  const socketOf = async () =>
    (await look({ environment: installation.env, place: 'host' })).find(({ check }) => check === 'socket of default');
  const path = daemon.socketPath;
  const folder = dirname(path);
  const above = dirname(folder);
  chmodSync(above, 0o755);
  chmodSync(folder, 0o600);
  const closed = failed('socket of default', `${path}: this user may not search ${folder}`, `chmod o+x ${folder}`);
  expect(await socketOf()).toEqual(closed);
  chmodSync(folder, 0o755);
  chmodSync(path, 0o500);
  const unwritable = `${path}: this user may not write to the socket`;
  expect(await socketOf()).toEqual(failed('socket of default', unwritable, `chmod 0777 ${path}`));
  chmodSync(path, 0o777);
  expect(await socketOf()).toMatchObject({ status: 'ok' });
});

test('the file mounted in place of its folder', async () => {
  const path = join(freshFolder(), 'run', 'dokku-daemon.sock');
  const folder = dirname(path);
  mkdirSync(folder);
  writeFileSync(path, '');
  const look = startObserver(process.getuid?.() === 0 ? ['unshare', '-m'] : ['unshare', '-rm']);
  const environment = { ...installation.env, DOKKU_DAEMON_SOCKET: path };
  const socketOf = async (place: 'host' | 'dokku') =>
    (await look({ environment, place })).find(({ check }) => check === 'socket of default');
  const remedy = `dokku storage:unmount dokku-api ${path}:${path} && dokku storage:mount dokku-api ${folder}:${folder} && dokku ps:restart dokku-api`;

  await look({ shell: `mount --bind ${daemon.socketPath} ${path}` });
  expect(await socketOf('dokku')).toMatchObject({
    status: 'warning',
    says: `${path} answers; Dokku's lock is free; but the file is mounted, not its folder: it is dead once the daemon restarts`,
    remedy,
  });

  await daemon.restart();
  const dead = `${path}: nobody listens any more: the file is mounted, not its folder, and the daemon made it anew`;
  expect(await socketOf('dokku')).toEqual(failed('socket of default', dead, remedy));
  expect(await socketOf('host')).toMatchObject({
    remedy: `umount ${path}, and mount its folder ${folder} in its place`,
  });

  await look({ shell: `umount ${path} && mount --bind ${dirname(daemon.socketPath)} ${folder}` });
  expect(await socketOf('dokku')).toMatchObject({ status: 'ok' });
  await daemon.restart();
  expect(await socketOf('dokku')).toMatchObject({ status: 'ok' });
  await untilClean(installation.env);
});

test('a folder that the mount of an absent file made', async () => {
  const path = join(freshFolder(), 'dokku-daemon.sock');
  const elsewhere = freshFolder();
  mkdirSync(path);
  const look = startObserver(process.getuid?.() === 0 ? ['unshare', '-m'] : ['unshare', '-rm']);
  await look({ shell: `mount --bind ${elsewhere} ${path}` });
  const findings = await look({ environment: { ...installation.env, DOKKU_DAEMON_SOCKET: path }, place: 'dokku' });
  expect(findings.find(({ check }) => check === 'socket of default')).toEqual(
    failed(
      'socket of default',
      `${path} is a folder that a mount made`,
      `dokku storage:unmount dokku-api ${path}:${path} && dokku storage:mount dokku-api ${dirname(path)}:${dirname(path)} && dokku ps:restart dokku-api`,
    ),
  );
});

test('a worker that was only just started is waited for', async () => {
  const fresh = await createInstallation();
  const starting = fresh.startWorker();
  const findings = await diagnose({ environment: fresh.env, place: 'npm start', workerPatienceMs: 10_000 });
  expect(findings.filter(({ status }) => status !== 'ok')).toEqual([]);
  await starting;
});

test('what others say is one line, and cannot steer the terminal', () => {
  expect(reportLines(ok('Redis', 'a\nfailed   Postgres \u001b[2Jb'), { colored: false })).toBe(
    'ok       Redis                  a failed   Postgres  [2Jb',
  );
  expect(reportLines(failed('Redis', 'is away', 'start it'), { colored: true })).toBe(
    '\u001b[31mfailed   \u001b[39mRedis                  is away\n         → start it',
  );
});
