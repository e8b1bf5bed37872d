import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createInstallation, type Installation } from '../../../support/installation.ts';
import type { StandIn } from '../../../support/stand-in.ts';
import { problems, remedyIn, typeIntoShell, untilClean } from './patient.ts';

let installation: Installation;
let daemon: StandIn;
let path: string;

/** What the socket's line says; what follows from it elsewhere is for other tests. */
async function socketProblem(
  place: 'host' | 'dokku' | 'npm start' = 'host',
  changes = {},
): Promise<string | undefined> {
  const found = await problems({ ...installation.env, ...changes }, place);
  return found.find((problem) => problem.includes('socket of default'))?.replaceAll(path, 'SOCKET');
}

beforeAll(async () => {
  installation = await createInstallation();
  daemon = installation.daemons.get('default') as StandIn;
  path = daemon.socketPath;
  await installation.startWorker();
});

beforeEach(async () => await untilClean(installation.env));
afterEach(async () => {
  rmSync(path, { recursive: true, force: true });
  await daemon.restart();
});

describe('the path', () => {
  test('in a folder that is not there', async () => {
    const changes = { DOKKU_DAEMON_SOCKET: '/no/such/daemon.sock' };
    const says = 'failed socket of default: /no/such/daemon.sock: there is no folder /no';
    expect(await socketProblem('host', changes)).toBe(`${says} → systemctl start dokku-daemon`);
    expect(await socketProblem('dokku', changes)).toBe(
      `${says} → dokku storage:mount dokku-api /no/such:/no/such && dokku ps:restart dokku-api`,
    );
    expect(await problems(installation.env)).toEqual([]);
  });

  test('with no socket there', async () => {
    await daemon.setListener('absent');
    const says = 'failed socket of default: SOCKET: there is no socket in this folder';
    expect(await socketProblem()).toBe(`${says} → systemctl start dokku-daemon`);
    expect(await socketProblem('npm start')).toBe(`${says} → npm start`);
    await daemon.setListener('listening');
    await untilClean(installation.env);
  });

  test.each([
    ['a plain file', () => writeFileSync(path, '')],
    ['a folder', () => mkdirSync(path)],
  ])('with %s there', async (what, make) => {
    await daemon.stop();
    make();
    const problem = await socketProblem();
    expect(problem).toBe(
      `failed socket of default: SOCKET is ${what}, not a socket → rm -r SOCKET && systemctl restart dokku-daemon`,
    );
    execFileSync('bash', [
      '-c',
      remedyIn(problem)
        .replace('SOCKET', path)
        .replace(/ && .*/, ''),
    ]);
    await daemon.restart();
    await untilClean(installation.env);
  });
});

describe('the daemon', () => {
  test('that does not run', async () => {
    await daemon.kill();
    const says = 'failed socket of default: SOCKET: nobody listens on this socket';
    expect(await socketProblem()).toBe(`${says} → systemctl start dokku-daemon`);
    await daemon.restart();
    await untilClean(installation.env);
  });

  test('that accepts and does not answer', async () => {
    await daemon.addSwitch({ match: 'commands', times: 'always', reply: { kind: 'silent' } });
    const says = 'failed socket of default: SOCKET: the daemon accepts, and does not answer within 3 s';
    expect(await socketProblem()).toBe(`${says} → systemctl restart dokku-daemon`);
    await daemon.restart();
    await untilClean(installation.env);
  });

  test('that is stopped where it is', async () => {
    await daemon.kill('SIGSTOP');
    expect(await socketProblem()).toContain('accepts, and does not answer within 3 s → systemctl restart dokku-daemon');
    await daemon.restart();
    await untilClean(installation.env);
  });

  test('that ends connections', async () => {
    await daemon.addSwitch({ match: 'commands', times: 'always', reply: { kind: 'close', when: 'before-run' } });
    expect(await socketProblem()).toBe(
      'failed socket of default: SOCKET: the daemon ends the connection without an answer → systemctl restart dokku-daemon',
    );
    await daemon.restart();
    await untilClean(installation.env);
  });

  test('that knows no commands', async () => {
    await daemon.setKnownCommands([]);
    expect(await socketProblem()).toBe(
      'failed socket of default: SOCKET: the daemon knows no commands → echo refresh | nc -U -N SOCKET',
    );
    await daemon.setKnownCommands(null);
    await daemon.send('refresh');
    await untilClean(installation.env);
  });

  test('that is another program', async () => {
    await daemon.addSwitch({ times: 'always', reply: { kind: 'garbage', bytes: 'HTTP/1.1 400 Bad Request\n' } });
    expect(await socketProblem()).toBe(
      'failed socket of default: SOCKET: what answers there is no dokku-daemon → lsof SOCKET (it names what listens there: end it), then systemctl restart dokku-daemon',
    );
    await daemon.restart();
    await untilClean(installation.env);
  });
});

describe('the dialect', () => {
  test('true JSON, not configured', async () => {
    const bytes = '{"output": "apps\\nlogs", "ok": true}\n';
    await daemon.addSwitch({ match: /^(commands|help)$/, times: 'always', reply: { kind: 'garbage', bytes } });
    const remedy = 'export DOKKU_DAEMON_JSON=default';
    expect(await socketProblem()).toBe(`failed socket of default: SOCKET: the daemon sends true JSON → ${remedy}`);
    expect(await socketProblem('dokku')).toContain('→ dokku config:set dokku-api DOKKU_DAEMON_JSON=default');
    await untilClean(typeIntoShell(remedy, installation.env));
  });

  test("dokku-daemon's own form, configured as true JSON", async () => {
    await daemon.addSwitch({ match: 'help', times: 'always', dokku: { stdout: '\u001b[1mUsage: dokku\u001b[0m' } });
    const changes = { DOKKU_DAEMON_JSON: 'default' };
    const remedy = 'unset DOKKU_DAEMON_JSON';
    expect(await socketProblem('host', changes)).toBe(
      `failed socket of default: SOCKET: the daemon sends no true JSON, but dokku-daemon's own form → ${remedy}`,
    );
    await untilClean(typeIntoShell(remedy, { ...installation.env, ...changes }));
  });
});

describe("Dokku's lock", () => {
  test('held by a command that is not ours', async () => {
    const hold = await daemon.hold('ps:restart shop');
    const other = daemon.send('ps:restart shop');
    await hold.held();
    expect(await socketProblem()).toBe(
      "failed socket of default: SOCKET: another command has held Dokku's lock for more than 5 s → fuser -v /var/lock/dokku-daemon/dokku-daemon.lock (on the Dokku host; it names the process: wait for it, or end it)",
    );
    await hold.release();
    await other;
    await untilClean(installation.env);
  });
});
