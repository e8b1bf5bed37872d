/** What takes the real time-outs of a real process to see. All of it at once. */
import { beforeAll, describe, expect, test } from 'vitest';
import { createKeys, type GeneratedKey, type Keys } from '../../db/keys.ts';
import { createSeal } from '../../lib/seal.ts';
import { openEvents } from '../handlers/event-reader.ts';
import { createInstallation, type Installation, type Web } from '../support/installation.ts';
import { ask } from './ask.ts';
import { openRaw, requestHead } from './raw-connection.ts';
import { storeCommand } from './targets.ts';

const heartbeatMs = 15_000;
const requestMs = 15_000;

let installation: Installation;
let keys: Keys;
let web: Web;

const headersOf = ({ apiKey, apiSecret }: GeneratedKey) => ({ 'Api-Key': apiKey, 'Api-Secret': apiSecret });
const follow = (path: string, as: GeneratedKey) => openEvents(web.url + path, headersOf(as));

beforeAll(async () => {
  installation = await createInstallation({ env: { TRUSTED_PROXIES: '1' } });
  const { database, env } = installation;
  keys = createKeys(database, createSeal([env.SECRET_KEY ?? ''], 'signing-secret'));
  web = await installation.startWeb();
});

describe.concurrent('in the end', () => {
  test('a key that is deleted, expires or is rotated while it listens hears nothing beyond the next heartbeat', async () => {
    const newKey = () => keys.generate({ owner: 'shop' });
    const [shop, deleted, expired, rotated] = [await newKey(), await newKey(), await newKey(), await newKey()];
    const queued = await storeCommand(installation.database, 'queued');
    const streams = await Promise.all([
      follow('/events', deleted),
      follow(`/commands/${queued}/events`, deleted),
      follow('/events', expired),
      follow(`/commands/${queued}/events`, rotated),
    ]);
    const kept = await follow('/events', shop);
    const from = performance.now();
    await keys.delete(deleted.apiKey);
    await keys.rotate(rotated.apiKey, 0);
    await installation.database.$client.query(
      `UPDATE dokku_api.keys SET expires_at = now() - interval '1 s' WHERE api_key = $1`,
      [expired.apiKey],
    );
    for (const key of [deleted, expired, rotated]) {
      expect((await ask(`${web.url}/commands`, { headers: headersOf(key) })).status).toBe(401);
    }
    expect(await Promise.all(streams.map(({ end }) => end))).toEqual(streams.map(() => 'complete'));
    expect(performance.now() - from).toBeLessThan(heartbeatMs + 5000);
    const heard = streams.map(({ events }) => events.length);
    const { body } = await ask(`${web.url}/commands`, {
      method: 'POST',
      headers: { ...headersOf(shop), 'Content-Type': 'application/json' },
      body: JSON.stringify({ cmd: 'apps:list' }),
    });
    const { token } = JSON.parse(body) as { token: string };
    await kept.until(() => kept.events.some(({ command }) => command.token === token), 'the event');
    expect(streams.map(({ events }) => events.length)).toEqual(heard);
    kept.leave();
  });

  test('a body that drips is given up, and others are served meanwhile', async () => {
    const headers = headersOf(await keys.generate());
    const form = { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': '1000' };
    const from = performance.now();
    const drip = openRaw(web.url, requestHead('POST', '/commands', { ...headers, ...form, Connection: 'close' }));
    const timer = setInterval(() => drip.socket.write('y'), 500);
    expect((await ask(`${web.url}/commands`, { headers })).status).toBe(200);
    expect(await drip.answer).toMatch(/^HTTP\/1\.1 408 /);
    clearInterval(timer);
    expect(performance.now() - from).toBeGreaterThan(requestMs - 1000);
    expect(performance.now() - from).toBeLessThan(requestMs + 5000);
    const errors = web.process.entries().filter(({ level }) => level === 'error' || level === 'fatal');
    expect(errors).toEqual([]);
  });
});
