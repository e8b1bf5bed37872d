import { existsSync, statSync } from 'node:fs';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { waitFor } from '../../support/process.ts';
import { type StandIn, startStandIn } from '../../support/stand-in.ts';
import { RawConnection } from './raw-connection.ts';

const VERSION = '{"ok":true,"output":"dokku version 0.35.15"}';

let standIn: StandIn;
const open: RawConnection[] = [];

beforeAll(async () => {
  standIn = await startStandIn({ connectMs: 0, commandMs: 0 });
});

afterEach(async () => {
  for (const connection of open.splice(0)) connection.close();
  await standIn.reset();
});

async function connect(): Promise<RawConnection> {
  const connection = await RawConnection.open(standIn.socketPath);
  open.push(connection);
  return connection;
}

async function request(line: string): Promise<RawConnection> {
  const connection = await connect();
  connection.write(`${line}\n`);
  return connection;
}

test('dokku: what it prints and its exit code, for the next command that matches', async () => {
  await standIn.addSwitch({ match: 'version', dokku: { stdout: 'out\n', stderr: Buffer.from([0xff]), exit: 4 } });
  expect(await standIn.send('apps:exists api')).toBe('{"ok":true,"output":""}');
  const connection = await request('version');
  expect(await connection.lines(1)).toEqual(['{"ok":false,"output":"out\\n\xff"}']);
  expect(standIn.runs().at(-1)?.exit).toBe(4);
  expect(await standIn.send('version')).toBe(VERSION);
});

test('times and a pattern: for so many lines that match', async () => {
  await standIn.addSwitch({ match: /^apps:exists /, times: 2, dokku: { stdout: 'given' } });
  const replies = [];
  for (const line of ['apps:exists a', 'version', 'apps:exists b', 'apps:exists api']) {
    replies.push(JSON.parse(await standIn.send(line)).output);
  }
  expect(replies).toEqual(['given', 'dokku version 0.35.15', 'given', '']);
});

test('always: until it is removed', async () => {
  const id = await standIn.addSwitch({ times: 'always', dokku: { stdout: 'given' } });
  for (const line of ['version', 'apps', 'help']) expect(await standIn.send(line)).toContain('"given"');
  await standIn.removeSwitch(id);
  expect(await standIn.send('version')).toBe(VERSION);
});

test('known commands: another list, and the own one again', async () => {
  await standIn.setKnownCommands(['git:sync', 'plugin:list']);
  expect(await standIn.send('commands')).toBe('{"ok":true,"output":"git:sync\\nplugin:list"}');
  expect(await standIn.send('apps')).toContain('Invalid command');
  await standIn.setKnownCommands(null);
  expect(await standIn.send('apps')).toContain('My Apps');
});

test('hold: under the lock, and seen to run, until it is released', async () => {
  const hold = await standIn.hold('apps:create held');
  const connection = await request('apps:create held');
  const held = await hold.held();
  expect(await standIn.running()).toEqual([held]);
  expect(held).toMatchObject({ line: 'apps:create held', held: true, run: standIn.runs().at(-1)?.run });
  expect(standIn.runs().at(-1)?.endedAt).toBeNull();
  await hold.release();
  expect(await connection.lines(1)).toEqual([expect.stringContaining('Creating held')]);
  expect(await standIn.running()).toEqual([]);
});

test('a followed log never ends, and goes on after everybody until it is released', async () => {
  const connection = await request('logs api --tail');
  await waitFor(async () => (await standIn.running())[0]?.held, { describe: 'the log to be followed' });
  connection.close();
  await standIn.control({ op: 'release' });
  expect(await standIn.send('version')).toBe(VERSION);
});

test('delay: so much longer under the lock', async () => {
  await standIn.addSwitch({ match: 'version', delayMs: 120 });
  expect(await standIn.send('version')).toBe(VERSION);
  const run = standIn.runs().at(-1);
  expect(Number((run?.endedAt ?? 0n) - (run?.startedAt ?? 0n))).toBeGreaterThan(118e6);
});

test('garbage: other bytes in place of the reply', async () => {
  await standIn.addSwitch({ reply: { kind: 'garbage', bytes: 'no json \xff\n' } });
  await standIn.addSwitch({ reply: { kind: 'garbage', bytes: Buffer.from([0, 255]), close: true } });
  const connection = await request('version');
  expect(await connection.lines(1)).toEqual(['no json \xc3\xbf']);
  connection.write('version\n');
  expect(await connection.end()).toBe('end');
  expect(connection.text).toBe('no json \xc3\xbf\n\0\xff');
});

test('no-newline: the reply without its end', async () => {
  await standIn.addSwitch({ reply: { kind: 'no-newline' } });
  const connection = await request('version');
  expect(await connection.end()).toBe('end');
  expect(connection.text).toBe(VERSION);
});

test('cut-off: the first bytes, then the end', async () => {
  await standIn.addSwitch({ reply: { kind: 'cut-off', bytes: 20 } });
  const connection = await request('version');
  expect(await connection.end()).toBe('end');
  expect(connection.text).toBe(VERSION.slice(0, 20));
});

test.each([
  ['before-run', [], false],
  ['at-start', ['apps:create at-start'], true],
  ['at-reply', ['apps:create at-reply'], true],
] as const)('close %s: the end without a reply', async (when, lines, isThere) => {
  const before = standIn.runs().length;
  await standIn.addSwitch({ match: `apps:create ${when}`, delayMs: 60, reply: { kind: 'close', when } });
  const connection = await request(`apps:create ${when}`);
  expect(await connection.end()).toBe('end');
  expect(connection.text).toBe('');
  const runs = standIn.runs().slice(before);
  expect(runs.map((run) => run.line)).toEqual(lines);
  if (when === 'at-start') expect(runs[0]?.endedAt).toBeNull();
  expect(await standIn.send(`apps:exists ${when}`)).toContain(`"ok":${isThere}`);
});

test('silent: never answered, though it ran, and the connection stays', async () => {
  await standIn.addSwitch({ match: 'version', reply: { kind: 'silent' } });
  const connection = await request('version');
  await waitFor(() => standIn.runs().at(-1)?.exit === 0, { describe: 'the run to end' });
  connection.write('apps:exists api\n');
  expect(await connection.lines(1)).toEqual(['{"ok":true,"output":""}']);
  expect(connection.text).toBe('{"ok":true,"output":""}\n');
});

test('output: a reply of 50 MB', async () => {
  const bytes = 50 * 1024 * 1024;
  await standIn.addSwitch({ output: { bytes, fill: 'é' } });
  const connection = await request('version');
  const logged = await standIn.waitForEntry((entry) => entry.event === 'reply' && entry.bytes > bytes, 15_000);
  expect(logged).toMatchObject({ bytes: bytes + '{"ok":true,"output":""}\n'.length });
  const [reply] = await connection.lines(1);
  expect(reply?.length).toBe(bytes + '{"ok":true,"output":""}'.length);
  expect(reply?.slice(0, 26)).toBe('{"ok":true,"output":"\xc3\xa9\xc3\xa9\xc3');
});

test('pieces: cut where it is said, with pauses', async () => {
  await standIn.addSwitch({ dokku: { stdout: 'a✓b' }, reply: { kind: 'pieces', cuts: [23, 5], pauseMs: 40 } });
  const startedAt = performance.now();
  const connection = await request('version');
  await waitFor(() => connection.text.length === 5, { describe: 'the first piece' });
  await waitFor(() => connection.text.length === 23, { describe: 'the second piece, which ends within a character' });
  expect(await connection.lines(1)).toEqual([Buffer.from('{"ok":true,"output":"a✓b"}').toString('latin1')]);
  expect(connection.chunks).toBe(3);
  expect(performance.now() - startedAt).toBeGreaterThan(78);
});

test('byte-by-byte: whole in the end', async () => {
  await standIn.addSwitch({ reply: { kind: 'byte-by-byte', pauseMs: 1 } });
  const connection = await request('version');
  expect(await connection.lines(1)).toEqual([VERSION]);
  expect(connection.chunks).toBeGreaterThan(10);
});

test('refusing: the file is there and nobody listens; absent: no file; then back', async () => {
  const before = await connect();
  await standIn.setListener('refusing');
  expect(await before.end()).toBe('end');
  await expect(RawConnection.open(standIn.socketPath)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  expect(existsSync(standIn.socketPath)).toBe(true);
  await standIn.setListener('absent');
  await expect(RawConnection.open(standIn.socketPath)).rejects.toMatchObject({ code: 'ENOENT' });
  await standIn.setListener('listening');
  expect(await standIn.send('version')).toBe(VERSION);
});

test('end-connections: idle ones and busy ones, and what runs goes on', async () => {
  const hold = await standIn.hold('apps:create kept-on');
  const busy = await request('apps:create kept-on');
  await hold.held();
  const idle = await connect();
  await waitFor(async () => (await standIn.status()).connections === 2, { describe: 'both connections' });
  expect(await standIn.endConnections()).toBe(2);
  expect([await busy.end(), await idle.end()]).toEqual(['end', 'end']);
  await hold.release();
  expect(await standIn.send('apps:exists kept-on')).toBe('{"ok":true,"output":""}');
});

test('restart: as the real one, without the lock', async () => {
  const hold = await standIn.hold('apps:create survivor');
  const cut = await request('apps:create survivor');
  await hold.held();
  const madeAt = statSync(standIn.socketPath).mtimeMs;
  const restarted = standIn.restartDaemon({ downMs: 100 });
  expect(await cut.end()).toBe('end');
  await expect(RawConnection.open(standIn.socketPath)).rejects.toMatchObject({ code: 'ENOENT' });
  await restarted;
  expect(statSync(standIn.socketPath).mtimeMs).toBeGreaterThan(madeAt);
  expect(await standIn.send('apps:exists survivor')).toContain('does not exist');
  await hold.release();
  await waitFor(() => standIn.runs().every((run) => run.endedAt !== null), { describe: 'the old run to end' });
  const [survivor, overlapping] = standIn.runs().slice(-2);
  expect(survivor?.line).toBe('apps:create survivor');
  expect(overlapping?.startedAt).toBeLessThan(survivor?.endedAt ?? 0n);
  expect(await standIn.send('apps:exists survivor')).toBe('{"ok":true,"output":""}');
});

test('restart with the lock kept: the next command waits for the old one', async () => {
  const hold = await standIn.hold('apps:create locked');
  await request('apps:create locked');
  await hold.held();
  await standIn.restartDaemon({ downMs: 0, keepLock: true });
  const next = standIn.send('apps:exists locked');
  await waitFor(async () => (await standIn.status()).waiting.length === 1, { describe: 'the next to wait' });
  await hold.release();
  expect(await next).toBe('{"ok":true,"output":""}');
});

test('a request that the control channel does not know is refused with a reason', async () => {
  await expect(standIn.control({ op: 'add-switch', switch: { times: 0 } })).rejects.toThrow(/from 1 on/);
  await expect(standIn.control({ op: 'add-switch', switch: { match: { pattern: '(' } } })).rejects.toThrow(/Invalid/);
  await expect(standIn.control({ op: 'nonsense' as 'status' })).rejects.toThrow(/unknown op/);
});
