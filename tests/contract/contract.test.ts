/**
 * What `contract.md` promises, row by row, over HTTP at one installation of real processes. A row without a walk, and a
 * walk that does not look at status, headers and body, fails.
 */
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { send } from '../support/send.ts';
import { changeWalks } from './change-walks.ts';
import { commandLineWalks } from './command-line-walks.ts';
import { commandWalks } from './command-walks.ts';
import { readContractRows } from './contract-rows.ts';
import { errorWalks } from './error-walks.ts';
import { headerWalks } from './header-walks.ts';
import { operatorWalks } from './operator-walks.ts';
import { RowCheck } from './row-check.ts';
import { notAToken, type Scene, setScene } from './scene.ts';
import type { Walks } from './walk.ts';

const rows = readContractRows();
const walks: Record<string, Walks> = {
  Endpoints: { ...commandWalks, ...changeWalks, ...operatorWalks },
  'What `cmd` may be': commandLineWalks,
  Headers: headerWalks,
  Errors: errorWalks,
};

let scene: Scene;

beforeAll(async () => {
  scene = await setScene();
});

afterEach(async () => await scene.tidy());

test('every row has a walk, and every walk a row', () => {
  const named = Object.entries(walks).flatMap(([table, ofTable]) => Object.keys(ofTable).map((name) => [table, name]));
  expect(new Set(rows.map(({ table, name }) => `${table}: ${name}`))).toEqual(
    new Set(named.map(([table, name]) => `${table}: ${name}`)),
  );
  expect(rows.length).toBe(named.length);
});

describe.each([...new Set(rows.map(({ table }) => table))])('%s', (table) => {
  test.each(rows.filter((row) => row.table === table))('$name', async (row) => {
    const walk = walks[table]?.[row.name];
    if (walk === undefined) throw new Error('This row has no assertions: write them, beside those of its table.');
    const check = new RowCheck();
    await walk(check, scene, row);
    expect(check.missing, 'what of the answers was never looked at').toEqual([]);
  });
});

describe('below the table of endpoints', () => {
  test('a wrong method, HEAD on what is not a plain read included, is 405 with Allow', async () => {
    const ofCommand = `/commands/${notAToken}`;
    const allowed: Record<string, string> = {
      '/commands': 'GET, HEAD, POST',
      [ofCommand]: 'DELETE, GET, HEAD',
      [`${ofCommand}/events`]: 'GET',
      [`${ofCommand}/retry`]: 'GET, POST',
      [`${ofCommand}/deliveries`]: 'GET, HEAD, POST',
      '/events': 'GET',
      '/servers': 'GET, HEAD',
      '/metrics': 'GET, HEAD',
    };
    for (const [path, methods] of Object.entries(allowed)) {
      for (const method of ['OPTIONS', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'POST', 'TRACE']) {
        if (methods.split(', ').includes(method)) continue;
        const answer = await scene.send(method, path);
        expect([method, path, answer.status]).toEqual([method, path, 405]);
        expect(String(answer.headers.allow).split(', ').toSorted().join(', ')).toBe(methods);
        if (method !== 'HEAD') expect(JSON.parse(answer.body)).toMatchObject({ code: 'method_not_allowed' });
      }
    }
  });

  test('trailing slashes are not paths', async () => {
    for (const path of ['/commands/', `/commands/${notAToken}/`, '/events/', '/servers/', '/metrics/', '/healthz/']) {
      expect([path, (await scene.send('GET', path)).status]).toEqual([path, 404]);
    }
  });

  test('what is open to all is open without credentials, and nothing else', async () => {
    for (const path of ['/healthz', '/readyz', '/openapi.json', '/docs', '/console/sign-in']) {
      expect([path, (await send(scene.web.url, { path })).status]).toEqual([path, 200]);
    }
    for (const path of ['/', '/commands', '/servers', '/metrics', '/events', '/nowhere', '/openapi.json/']) {
      const answer = await send(scene.web.url, { path });
      expect([path, answer.status, answer.headers['www-authenticate']]).toEqual([path, 401, 'ApiKey']);
    }
  });
});

describe('what lasts', () => {
  test('sync=true sends a blank after 20 s, and then the finished command', async () => {
    const { status, headers, pieces } = await scene.lasting.answer;
    expect([status, headers['content-type']]).toEqual([200, 'application/json']);
    expect(pieces[0]?.text).toBe(' ');
    expect(pieces[0]?.at).toBeGreaterThan(19_900);
    expect(pieces[0]?.at).toBeLessThan(21_000);
    const whole = pieces.map(({ text }) => text).join('');
    expect(JSON.parse(whole)).toMatchObject({ command: 'ps:rebuild api', state: 'succeeded' });
  });

  test('an event stream beats every 15 s, and ends with the command', async () => {
    const { events } = scene.lasting;
    expect(await events.end).toBe('complete');
    expect(events.comments.length).toBe(1);
    expect(events.events.map(({ command }) => command.state)).toEqual(['running', 'succeeded']);
  });
});
