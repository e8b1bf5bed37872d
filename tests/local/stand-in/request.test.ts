import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { type StandIn, startStandIn } from '../../support/stand-in.ts';
import { RawConnection } from './raw-connection.ts';

const INVALID = '{"ok":false,"output":"Invalid command"}';

let standIn: StandIn;

beforeAll(async () => {
  standIn = await startStandIn({ connectMs: 0, commandMs: 0 });
});

/** The words that dokku was started with for a line that it accepts. */
async function wordsOf(line: string): Promise<string[] | undefined> {
  const before = standIn.runs().length;
  await standIn.addSwitch({ dokku: {} });
  expect(await standIn.send(line)).toBe('{"ok":true,"output":""}');
  const runs = standIn.runs().slice(before);
  expect(runs).toHaveLength(1);
  return runs[0]?.words;
}

test.each([
  ['config:set api .*', '.*'],
  ['config:set api a\\*', 'a\\*'],
  ['config:set api dokku\\-*', 'dokku-daemon.sock'],
  ['config:set api [[:lower:]]okku-*', 'dokku-daemon.sock'],
  ['config:set api [!a-c]okku-daemon.sock', 'dokku-daemon.sock'],
  ['config:set api [^d]okku-daemon.sock', '[^d]okku-daemon.sock'],
  ['config:set api dokku-daemon.sock*', 'dokku-daemon.sock'],
  ['config:set api dokku-daemon.sock?', 'dokku-daemon.sock?'],
  ['config:set api K=*', 'K=*'],
  ['config:set api /etc/host[ns]', '/etc/hosts'],
  ['config:set api /nowhere/*', '/nowhere/*'],
])('%s', async (line, last) => {
  expect((await wordsOf(line))?.at(-1)).toBe(last);
});

test('a pattern that matches several names becomes several words, sorted', async () => {
  writeFileSync(join(dirname(standIn.socketPath), 'eu.sock'), '');
  expect(await wordsOf('config:set api *')).toEqual(['config:set', 'api', 'dokku-daemon.sock', 'eu.sock']);
  expect(await wordsOf('config:set api /etc/host*')).toEqual(['config:set', 'api', '/etc/hostname', '/etc/hosts']);
});

test('a redirect out writes a file of the sandbox, and ok says nothing', async () => {
  expect(await standIn.send('apps > /srv/apps.txt')).toBe('{"ok":true,"output":""}');
  expect(readFileSync(join(standIn.hostRoot, 'srv/apps.txt'), 'utf8')).toMatch(/^=====> My Apps\napi\n/);
  expect(await standIn.send('apps:exists nope > /srv/failed.txt')).toBe('{"ok":true,"output":""}');
  expect(readFileSync(join(standIn.hostRoot, 'srv/failed.txt'), 'utf8')).toBe(' !     App nope does not exist\n');
});

test('no path of a redirect leaves the sandbox', async () => {
  const outside = join(dirname(dirname(standIn.socketPath)), 'outside.txt');
  writeFileSync(outside, 'as it was');
  expect(await standIn.send(`version > ${outside}`)).toBe('{"ok":true,"output":""}');
  expect(await standIn.send('version > ../../../../../../../../srv/up.txt')).toBe('{"ok":true,"output":""}');
  expect(await standIn.send('version > beside.txt')).toBe('{"ok":true,"output":""}');
  expect(readFileSync(outside, 'utf8')).toBe('as it was');
  const inside = join(standIn.hostRoot, dirname(standIn.socketPath), 'beside.txt');
  for (const path of [join(standIn.hostRoot, 'srv/up.txt'), inside]) {
    expect(readFileSync(path, 'utf8')).toMatch(/^dokku version /);
  }
});

test('a redirect that cannot be opened runs nothing and says nothing', async () => {
  const before = standIn.runs().length;
  for (const line of ['apps > /no/folder/x', 'apps > /etc', 'apps < /no/file', `apps > /${'x'.repeat(300)}`]) {
    expect(await standIn.send(line)).toBe('{"ok":true,"output":""}');
  }
  expect(standIn.runs()).toHaveLength(before);
});

test('after a redirect ok is the one of the command before, on the same connection', async () => {
  const connection = await RawConnection.open(standIn.socketPath);
  connection.write('apps:exists nope\napps > /srv/x\napps < /etc/hostname\nversion\napps:exists nope > /srv/y\n');
  const replies = await connection.lines(5);
  connection.close();
  expect(replies.map((reply) => JSON.parse(reply).ok)).toEqual([false, false, false, true, true]);
  expect(replies[2]).toContain('My Apps');
});

test('any one word may make a line valid, as a prefix, a suffix or a part', async () => {
  for (const line of ['bogus version', 'ver whatever', 'bogus pps whatever', 'bogus a.*t whatever', 'what help']) {
    expect(await standIn.send(line)).toContain('is not a dokku command');
  }
});

test('a word that is no regular expression makes any line invalid', async () => {
  for (const word of ['K=[x', 'K=a\\', 'K=\\(', 'K=\\)x', 'K=a\\{1', 'K=[z-a]', 'K=[[:nope:]]', 'K=\\1']) {
    expect(await standIn.send(`config:set api ${word} K=1`), word).toBe(INVALID);
  }
  expect(await wordsOf('config:set api K=(a|b)+{1}?^$')).toEqual(['config:set', 'api', 'K=(a|b)+{1}?^$']);
});

test('--force and --app count in front alone', async () => {
  expect(await standIn.send('apps:create doomed')).toContain('"ok":true');
  expect(await standIn.send('apps:destroy doomed')).toBe('{"ok":false,"output":"Requires --force flag"}');
  expect(await standIn.send('apps:destroy doomed --force')).toBe(INVALID);
  expect(await standIn.send('apps:destroy --force doomed')).toBe(INVALID);
  expect(await standIn.send('apps:exists --app doomed')).toBe(INVALID);
  expect(await standIn.send('--app doomed apps:exists')).toBe('{"ok":true,"output":""}');
  expect(await standIn.send('--force apps:destroy doomed')).toContain('Destroying doomed');
  expect(await standIn.send('--app doomed apps:exists')).toContain('App doomed does not exist');
});

test('a line above what one argument may hold is invalid', async () => {
  const start = 'config:set --no-restart api K=';
  const longest = start + 'x'.repeat(131_072 - 3 - start.length);
  expect(await standIn.send(longest)).toContain('"ok":true');
  expect(await standIn.send(`${longest}x`)).toBe(INVALID);
});

test('every command is invalid while the list is made anew', async () => {
  const slow = await startStandIn({ connectMs: 0, commandMs: 150 });
  const connection = await RawConnection.open(slow.socketPath);
  connection.write('refresh\n');
  await slow.waitForEntry((entry) => entry.event === 'request' && entry.line === 'refresh');
  expect(await slow.send('version')).toBe(INVALID);
  expect(await connection.lines(1)).toEqual(['{"ok":true,"output":"Refreshed commands"}']);
  expect(await slow.send('version')).toContain('dokku version');
  connection.close();
});
