import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startProcess, waitFor } from '../../support/process.ts';
import { startStandIn } from '../../support/stand-in.ts';

const script = 'lib/local/stand-in/main.ts';
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'stand-in-main-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function failedStart(args: string[]): Promise<string> {
  const process = startProcess({ script, args });
  expect((await process.exit).code).toBe(1);
  return process.stderr();
}

test('a malformed command line ends it with what is expected', async () => {
  const outputs = await Promise.all([
    failedStart([]),
    failedStart(['--socket', join(folder, 'x.sock'), '--command-ms', 'soon']),
    failedStart(['--nonsense']),
  ]);
  expect(outputs[0]).toMatch(/^stand-in daemon: --socket PATH is needed\n\nUsage: /);
  expect(outputs[1]).toMatch(/--command-ms is a whole number of milliseconds; it was "soon"/);
  expect(outputs[2]).toMatch(/Unknown option '--nonsense'/);
});

test('what cannot be started over is named', async () => {
  const file = join(folder, 'a-file');
  writeFileSync(file, 'precious');
  const state = join(folder, 'broken');
  const first = await startStandIn({ state });
  await first.stop();
  writeFileSync(join(state, 'state.json'), '{"version":7}');
  const [notSocket, noFolder, badState] = await Promise.all([
    failedStart(['--socket', file]),
    failedStart(['--socket', join(folder, 'no/where.sock'), '--state', join(folder, 's')]),
    failedStart(['--socket', join(folder, 'y.sock'), '--state', state]),
  ]);
  expect(notSocket).toMatch(/a-file is there and is not a socket/);
  expect(readFileSync(file, 'utf8')).toBe('precious');
  expect(noFolder).toMatch(/cannot listen on .*where\.sock; is its folder there and writable\?/);
  expect(badState).toMatch(/state\.json is no state of the stand-in daemon: move it away.*version is 7/);
});

test('a killed one leaves its socket file, and the next start replaces it', async () => {
  const standIn = await startStandIn();
  const hold = await standIn.hold('ps:restart api');
  const reply = standIn.send('ps:restart api');
  const cutOff = expect(reply).rejects.toThrow(/ended before a whole reply line|failed/);
  await hold.held();
  await standIn.kill('SIGKILL');
  await cutOff;
  expect(existsSync(standIn.socketPath)).toBe(true);
  expect(standIn.runs()).toMatchObject([{ run: 1, line: 'ps:restart api', endedAt: null }]);
  await standIn.restart();
  expect(await standIn.send('version')).toContain('dokku version');
  expect(standIn.runs().map(({ run, endedAt }) => [run, endedAt === null])).toEqual([
    [1, true],
    [2, false],
  ]);
});

test('a stopped one cuts short what runs, says so, and takes its socket file away', async () => {
  const standIn = await startStandIn();
  const hold = await standIn.hold('ps:restart api');
  const cutOff = expect(standIn.send('ps:restart api')).rejects.toThrow(/ended before a whole reply line|failed/);
  await hold.held();
  await standIn.stop();
  await cutOff;
  expect(existsSync(standIn.socketPath)).toBe(false);
  expect(standIn.logEntries().filter((entry) => entry.event === 'end')).toMatchObject([{ run: 1, exit: null }]);
  expect(standIn.pid).toBeNull();
});

test('a frozen one answers once it goes on', async () => {
  const standIn = await startStandIn();
  await standIn.kill('SIGSTOP');
  const reply = standIn.send('version');
  const waiting = await Promise.race([reply, new Promise((resolve) => setTimeout(resolve, 100, 'nothing yet'))]);
  expect(waiting).toBe('nothing yet');
  await standIn.kill('SIGCONT');
  expect(await reply).toContain('dokku version');
});

test('with --end-with-stdin it ends when its starter is gone', async () => {
  const socket = join(folder, 'stdin.sock');
  const root = new URL('../../..', import.meta.url);
  const args = ['--import', 'tsx', script, '--socket', socket, '--end-with-stdin'];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['pipe', 'ignore', 'inherit'] });
  try {
    await waitFor(() => existsSync(socket), { describe: 'the socket' });
    child.stdin.end();
    await waitFor(() => child.exitCode === 0, { describe: 'the process to end' });
    expect(existsSync(socket)).toBe(false);
  } finally {
    child.kill('SIGKILL');
  }
});
