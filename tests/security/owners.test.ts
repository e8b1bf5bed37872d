/** What shows several commands at once shows each key those of its owner's keys alone. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createKeys, type GeneratedKey, type Keys } from '../../db/keys.ts';
import type { WireCommand } from '../../lib/command.ts';
import { createSeal } from '../../lib/seal.ts';
import { type EventReader, openEvents } from '../handlers/event-reader.ts';
import { createInstallation, type Installation } from '../support/installation.ts';
import { ask } from './ask.ts';
import { storeCommand } from './targets.ts';

const secretWord = 'PASSWORD=hunter2';

let installation: Installation;
let keys: Keys;
let url: string;
let shop: GeneratedKey;
let other: GeneratedKey;
let admin: GeneratedKey;
let shops: { final: string; queued: string; running: string };
let others: string;
const open: EventReader[] = [];

const headersOf = ({ apiKey, apiSecret }: GeneratedKey) => ({ 'Api-Key': apiKey, 'Api-Secret': apiSecret });
const read = (path: string, as: GeneratedKey, headers: Record<string, string> = {}) =>
  ask(url + path, { headers: { ...headersOf(as), ...headers } });
const post = (cmd: string, as: GeneratedKey) =>
  ask(`${url}/commands`, {
    method: 'POST',
    headers: { ...headersOf(as), 'Content-Type': 'application/json' },
    body: JSON.stringify({ cmd }),
  });

async function follow(path: string, as: GeneratedKey, lastEventId?: string): Promise<EventReader> {
  const reader = await openEvents(url + path, headersOf(as), lastEventId);
  open.push(reader);
  return reader;
}

const tokensOf = ({ events }: EventReader) => new Set(events.map(({ command }) => command.token));

beforeAll(async () => {
  installation = await createInstallation({ servers: ['default', 'eu'], env: { TRUSTED_PROXIES: '1' } });
  const { database, env } = installation;
  keys = createKeys(database, createSeal([env.SECRET_KEY ?? ''], 'signing-secret'));
  ({ url } = await installation.startWeb());
  [shop, other, admin] = await Promise.all([
    keys.generate({ owner: 'shop' }),
    keys.generate({ owner: 'other' }),
    keys.generate({ role: 'admin', owner: 'ops' }),
  ]);
  const command = `config:set shop ${secretWord}`;
  shops = {
    final: await storeCommand(database, 'final', { command }),
    queued: await storeCommand(database, 'queued', { command }),
    running: await storeCommand(database, 'running', { command }),
  };
  others = await storeCommand(database, 'final', { owner: 'other' });
  await database.$client.query(
    `INSERT INTO dokku_api.leases (server, blocked_since, blocked_by) VALUES ('eu', now(), $1)`,
    [shops.final],
  );
});

afterAll(() => {
  for (const reader of open) reader.leave();
});

function expectNothingOfShop(what: string, text: string): void {
  for (const token of Object.values(shops)) expect([what, text]).not.toEqual([what, expect.stringContaining(token)]);
  expect([what, text]).not.toEqual([what, expect.stringContaining('hunter2')]);
}

describe('lists', () => {
  test.each([
    '/commands',
    '/commands?limit=1000',
    '/commands?after=0',
    '/commands?before=999999',
    '/commands?order=desc',
    '/commands?state=running',
    '/commands?state=queued',
    '/commands?server=default',
    '/commands?since=2000-01-01',
    '/commands?q=hunter2',
    '/commands?q=shop',
    '/commands?q=fi',
    '/commands?limit=1&order=desc&after=0',
  ])('%s', async (path) => {
    const { body, headers } = await read(path, other);
    expectNothingOfShop(path, body);
    // Nor that there is more than it shows.
    expect([path, headers.link]).toEqual([path, undefined]);
    const tokens = (JSON.parse(body) as WireCommand[]).map(({ token }) => token);
    expect([[], [others]]).toContainEqual(tokens);
    const seen = (await read(path, shop)).body + (await read(path, admin)).body;
    expect(Object.values(shops).some((token) => seen.includes(token))).toBe(true);
  });
});

describe('GET /servers', () => {
  test('tells nobody else what runs, or what blocked it', async () => {
    for (const as of [other, await keys.generate({ owner: 'other', role: 'read' })]) {
      const { body } = await read('/servers', as);
      expectNothingOfShop('/servers', body);
      expect(JSON.parse(body)).toMatchObject([{ running_command: null }, { blocked_by: null, state: 'blocked' }]);
    }
    for (const as of [shop, admin]) {
      const [home, eu] = JSON.parse((await read('/servers', as)).body);
      expect([home.running_command.token, eu.blocked_by]).toEqual([shops.running, shops.final]);
    }
  });

  test('shows the servers that the key may use', async () => {
    const bound = await keys.generate({ owner: 'shop', servers: ['eu'] });
    const { body } = await read('/servers', bound);
    expect((JSON.parse(body) as { server: string }[]).map(({ server }) => server)).toEqual(['eu']);
    expect(body).not.toContain(shops.running);
  });
});

describe('GET /events', () => {
  test('from now on, and from the beginning of all', async () => {
    const streams = [await follow('/events', other), await follow('/events', other, '1')];
    const control = await follow('/events', shop);
    const [mine, theirs] = [
      JSON.parse((await post(`a ${secretWord}`, shop)).body),
      JSON.parse((await post('b', other)).body),
    ];
    await control.until(() => tokensOf(control).has(mine.token), 'the event of the owner');
    for (const stream of streams) {
      await stream.until(() => tokensOf(stream).has(theirs.token), 'the event of one’s own');
      expectNothingOfShop('/events', JSON.stringify(stream.events));
      expect(stream.events.map(({ command }) => command.token)).not.toContain(mine.token);
    }
    expect(tokensOf(streams[1] as EventReader)).toContain(others);
  });
});
