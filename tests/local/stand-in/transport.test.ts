import { statSync } from 'node:fs';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { waitFor } from '../../support/process.ts';
import { type StandIn, startStandIn } from '../../support/stand-in.ts';
import { RawConnection } from './raw-connection.ts';

let standIn: StandIn;
const open: RawConnection[] = [];

async function connect(): Promise<RawConnection> {
  const connection = await RawConnection.open(standIn.socketPath);
  open.push(connection);
  return connection;
}

beforeAll(async () => {
  standIn = await startStandIn();
});

afterEach(async () => {
  for (const connection of open.splice(0)) connection.close();
  await standIn.reset();
});

test('the socket is there for everybody', () => {
  expect(statSync(standIn.socketPath).mode & 0o777).toBe(0o777);
  expect(statSync(standIn.socketPath).isSocket()).toBe(true);
});

test('a connection takes its time until it reads, and a command its own', async () => {
  const first = await standIn.send('version');
  expect(first).toMatch(/^\{"ok":true,"output":"dokku version /);
  const entries = standIn.logEntries();
  const at = (event: string): number => Number(entries.find((entry) => entry.event === event)?.at);
  expect(at('request') - at('connect')).toBeGreaterThanOrEqual(5e6);
  expect(at('end') - at('start')).toBeGreaterThanOrEqual(11e6);
});

test('several commands on one connection are answered in order', async () => {
  const connection = await connect();
  connection.write('apps:exists api\nrandomcmd\napps:exists nope\nversion\n');
  const replies = await connection.lines(4);
  expect(replies.map((reply) => reply.slice(0, 34))).toEqual([
    '{"ok":true,"output":""}',
    '{"ok":false,"output":"Invalid comm',
    '{"ok":false,"output":" !     App n',
    '{"ok":true,"output":"dokku version',
  ]);
});

test('without a newline nothing is read, and at the end of input nothing is answered', async () => {
  const connection = await connect();
  const marker = `apps:exists marker-${standIn.logEntries().length}`;
  connection.write(marker);
  await standIn.send('version');
  expect(connection.text).toBe('');
  expect(standIn.logEntries().some((entry) => entry.event === 'request' && entry.line === marker)).toBe(false);
  connection.halfClose();
  expect(await connection.end()).toBe('end');
  expect(connection.text).toBe('');
});

test('a line may come in pieces', async () => {
  const connection = await connect();
  for (const piece of ['ver', 'si', 'on', '\nver']) {
    connection.write(piece);
    await standIn.status();
  }
  expect(await connection.lines(1)).toEqual([expect.stringContaining('dokku version')]);
});

test('commands of all connections run one at a time, in their order', async () => {
  const before = standIn.runs().length;
  await Promise.all(Array.from({ length: 8 }, () => standIn.send('apps')));
  const runs = standIn.runs().slice(before);
  expect(runs).toHaveLength(8);
  for (const [index, run] of runs.entries()) {
    expect(run.run).toBe((runs[0]?.run ?? 0) + index);
    if (index > 0) expect(run.startedAt).toBeGreaterThanOrEqual(runs[index - 1]?.endedAt ?? Number.POSITIVE_INFINITY);
  }
});

test('while a command holds the lock, the commands without it are answered and help waits', async () => {
  const hold = await standIn.hold('ps:restart api');
  const holder = await connect();
  holder.write('ps:restart api\n');
  await hold.held();
  const help = await connect();
  help.write('help\n');
  await waitFor(async () => (await standIn.status()).waiting.some(({ line }) => line === 'help'), {
    describe: 'help to wait for the lock',
  });
  const free = ['commands', 'refresh', 'enter api', 'shell', 'randomcmd', 'apps:destroy api'];
  for (const line of free) expect(await standIn.send(line)).toMatch(/^\{"ok":/);
  expect(help.text).toBe('');
  expect((await standIn.running()).map(({ line }) => line)).toEqual(['ps:restart api']);
  await hold.release();
  expect(await help.lines(1)).toEqual([expect.stringContaining('{"ok":true,"output":"Usage: dokku')]);
});

test('a client that goes away leaves its command running and the lock held', async () => {
  const hold = await standIn.hold('ps:stop hello_world');
  const gone = await connect();
  gone.write('ps:stop hello_world\n');
  const held = await hold.held();
  gone.close();
  await standIn.waitForEntry((entry) => entry.event === 'disconnect' && entry.connection === held.connection);
  const next = standIn.send('ps:report hello_world --running');
  await waitFor(async () => (await standIn.status()).waiting.length === 1, { describe: 'the next to wait' });
  await hold.release();
  expect(await next).toBe('{"ok":true,"output":"false"}');
});

test('a client that goes away while it waits for the lock still has its command run', async () => {
  const hold = await standIn.hold('apps');
  const holder = await connect();
  holder.write('apps\n');
  await hold.held();
  const gone = await connect();
  gone.write('apps:create waited\n');
  await waitFor(async () => (await standIn.status()).waiting.length === 1, { describe: 'the second to wait' });
  gone.close();
  await waitFor(async () => (await standIn.status()).connections === 1, { describe: 'its connection to end' });
  await hold.release();
  const run = await standIn.waitForRun('apps:create waited');
  expect(await standIn.send('apps:exists waited')).toBe('{"ok":true,"output":""}');
  expect(run.words).toEqual(['apps:create', 'waited']);
});

test('a half-close drops the reply after half a second, and the command runs to its end', async () => {
  const hold = await standIn.hold('ps:scale hello_world web=3');
  const connection = await connect();
  connection.write('ps:scale hello_world web=3\n');
  await hold.held();
  const shutAt = performance.now();
  connection.halfClose();
  expect(await connection.end()).toBe('end');
  const waited = performance.now() - shutAt;
  expect(waited).toBeGreaterThan(450);
  expect(waited).toBeLessThan(1_500);
  await hold.release();
  await waitFor(() => standIn.runs().at(-1)?.endedAt != null, { describe: 'the run to end' });
  expect(connection.text).toBe('');
  expect(await standIn.send('ps:scale hello_world --format json')).toBe('{"ok":true,"output":"{\\"web\\":3}"}');
});

test('a reply within the half second after a half-close still comes', async () => {
  const connection = await connect();
  connection.write('version\n');
  connection.halfClose();
  expect(await connection.lines(1)).toEqual([expect.stringContaining('dokku version')]);
  expect(await connection.end(400)).toBe('end');
});

test('what it did stands in the log, with monotonic times and growing numbers', async () => {
  await standIn.send('apps:exists nope');
  const last = standIn.logEntries().findLast((entry) => entry.event === 'connect');
  const connection = last?.event === 'connect' ? last.connection : 0;
  await standIn.waitForEntry((entry) => entry.event === 'disconnect' && entry.connection === connection);
  const run = standIn.runs().at(-1);
  const entries = standIn
    .logEntries()
    .filter((entry) =>
      'connection' in entry ? entry.connection === connection : 'run' in entry && entry.run === run?.run,
    );
  const at = expect.stringMatching(/^\d{6,}$/);
  const line = 'apps:exists nope';
  expect(entries).toEqual([
    { at, event: 'connect', connection },
    { at, event: 'request', connection, line },
    { at, event: 'start', run: run?.run, connection, line, words: ['apps:exists', 'nope'] },
    { at, event: 'end', run: run?.run, exit: 20 },
    { at, event: 'reply', connection, bytes: '{"ok":false,"output":" !     App nope does not exist"}\n'.length },
    { at, event: 'disconnect', connection, by: 'client' },
  ]);
  const times = entries.map((entry) => BigInt(entry.at));
  expect(times).toEqual(times.toSorted((a, b) => (a < b ? -1 : 1)));
});
