import { sql } from 'drizzle-orm';
import { beforeAll, expect, test } from 'vitest';
import { createSessions, sessionSeconds } from '../../../handlers/console/session.ts';
import { createSeal } from '../../../lib/seal.ts';
import { createDatabase } from '../../support/database.ts';
import { waitFor } from '../../support/process.ts';
import { startTestRedis } from '../../support/redis.ts';
import { type ClientKey, startWeb, type Web } from '../web.ts';
import { type BrowserSession, sendSignIn, sessionWith, signIn } from './browser-session.ts';

const secretKey = 'a-secret-key-of-the-tests-with-more-than-32-characters';
let web: Web;
let admin: ClientKey;
let session: BrowserSession;

beforeAll(async () => {
  const [database, redis] = await Promise.all([createDatabase(), startTestRedis()]);
  web = await startWeb({
    databaseUrl: database.url,
    redisUrl: redis.url,
    settings: { SECRET_KEY: secretKey, TRUSTED_PROXIES: '1' },
    timing: { heartbeatMs: 100 },
  });
  admin = await web.key({ role: 'admin' });
  session = await signIn(web, admin);
});

test('a session is a strict cookie of the console alone, for twelve hours', async () => {
  const answer = await sendSignIn(web, admin, { next: '/console/servers?x=1' });
  expect(answer.status).toBe(303);
  expect(answer.headers.get('location')).toBe('/console/servers?x=1');
  const [pair, ...attributes] = (answer.headers.get('set-cookie') ?? '').split('; ');
  expect(pair).toMatch(/^dokku_api_console=v1\.[\w.-]+$/);
  expect(attributes.sort()).toEqual(['HttpOnly', 'Max-Age=43200', 'Path=/console', 'SameSite=Strict']);
  expect(answer.headers.get('set-cookie')).not.toContain(admin.apiKey);

  const secure = await sendSignIn(web, admin, { headers: { 'X-Forwarded-Proto': 'https' } });
  expect(secure.headers.get('set-cookie')?.split('; ')).toContain('Secure');
});

test.each([
  'https://evil.example/console',
  '//evil.example/console',
  '/console.evil.example',
  '/consolex',
  '/commands',
  '/console/\r\nSet-Cookie: a=b',
  '/console/events?state=lost',
  '',
])('after signing in nobody is sent to %j', async (next) => {
  const answer = await sendSignIn(web, admin, { next });
  expect(answer.headers.get('location')).toBe('/console');
});

test('wrong credentials are refused in one way; a key of another role is told so', async () => {
  const wrong = [
    { apiKey: admin.apiKey, apiSecret: '0'.repeat(32) },
    { apiKey: '0'.repeat(32), apiSecret: admin.apiSecret },
    { apiKey: '', apiSecret: '' },
    { apiKey: 'a\0b', apiSecret: '\0' },
  ];
  for (const credentials of wrong) {
    const answer = await sendSignIn(web, credentials, { headers: { 'X-Forwarded-For': '192.0.2.1' } });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('set-cookie')).toBeNull();
    expect(await answer.text()).toContain('not the credentials of a key in use');
  }
  for (const role of ['run', 'read', 'metrics'] as const) {
    const answer = await sendSignIn(web, await web.key({ role }));
    expect([answer.status, answer.headers.get('set-cookie')]).toEqual([403, null]);
    expect(await answer.text()).toContain('its role is not admin');
  }
});

test('failed tries are limited per address, and good credentials pass all the same', async () => {
  const headers = { 'X-Forwarded-For': '192.0.2.2' };
  const wrong = { ...admin, apiSecret: 'wrong' };
  for (let tries = 0; tries < 20; tries++) expect((await sendSignIn(web, wrong, { headers })).status).toBe(401);
  const refused = await sendSignIn(web, wrong, { headers });
  expect(refused.status).toBe(429);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await sendSignIn(web, wrong, { headers: { 'X-Forwarded-For': '192.0.2.3' } })).status).toBe(401);
  expect((await sendSignIn(web, admin, { headers })).status).toBe(303);
});

test('failed tries count together with those of the API', async () => {
  const headers = { 'X-Forwarded-For': '192.0.2.4' };
  const wrong = { ...admin, apiSecret: 'wrong' };
  const ask = async () =>
    (
      await fetch(`${web.url}/commands`, {
        headers: { ...headers, 'Api-Key': wrong.apiKey, 'Api-Secret': wrong.apiSecret },
      })
    ).status;
  for (let tries = 0; tries < 10; tries++) {
    expect((await sendSignIn(web, wrong, { headers })).status).toBe(401);
    expect(await ask()).toBe(401);
  }
  expect((await sendSignIn(web, wrong, { headers })).status).toBe(429);
  expect(await ask()).toBe(429);
});

test('a key has so many streams open, those of commands and of the list together', async () => {
  const own = await signIn(web, await web.key({ role: 'admin' }));
  const accepted = await own.post('/console/commands', { cmd: 'apps:list' });
  const streams = ['/console/events', `${accepted.headers.get('location')}/events`];
  const leaving = new AbortController();
  const follow = (path = '') =>
    fetch(web.url + path, {
      headers: { Cookie: own.cookie, 'Sec-Fetch-Site': 'same-origin' },
      signal: leaving.signal,
    });
  // One that nobody holds is closed by the garbage collection.
  const open = [];
  while (open.length < 64) open.push(await follow(streams[open.length % 2]));
  expect(open.map(({ status }) => status)).toEqual(open.map(() => 200));
  const refused = await Promise.all(streams.map(follow));
  expect(refused.map(({ status }) => status)).toEqual([429, 429]);
  leaving.abort();
  await waitFor(async () => (await own.get(streams[0] ?? '')).status === 200, { describe: 'a stream to be had again' });
});

test('another site can neither sign somebody in nor use a session', async () => {
  for (const headers of [{ 'Sec-Fetch-Site': 'cross-site' }, { Origin: 'https://evil.example' }]) {
    expect((await sendSignIn(web, admin, { headers })).status).toBe(403);
    expect((await session.post('/console/commands', { cmd: 'apps:list' }, headers)).status).toBe(403);
  }
});

test('a form without the token of this very session is refused', async () => {
  const other = await signIn(web, admin);
  const page = await (await other.get('/console/run')).text();
  const otherToken = /name="form_token" value="([^"]+)"/.exec(page)?.[1] ?? '';
  expect(otherToken).toMatch(/^[\w-]{43}$/);
  for (const form_token of ['', 'x', otherToken]) {
    for (const path of ['/console/commands', '/console/sign-out', `/console/commands/${'0'.repeat(64)}/retry`]) {
      expect((await session.post(path, { cmd: 'apps:list', form_token })).status).toBe(403);
    }
  }
  expect((await other.post('/console/commands', { cmd: 'apps:list', form_token: otherToken })).status).toBe(303);
});

test('deleting the key ends the session at once, and its stream with the next heartbeat', async () => {
  const key = await web.key({ role: 'admin' });
  const own = await signIn(web, key);
  const stream = await own.get('/console/events');
  expect(stream.status).toBe(200);
  await web.deps.keys.delete(key.apiKey);
  const page = await own.get('/console');
  expect(page.status).toBe(401);
  expect(page.headers.get('set-cookie')).toContain('dokku_api_console=;');
  expect(await page.text()).toContain('Your session has ended');
  await stream.text();
});

test('expiry of the key ends the session too', async () => {
  const key = await web.key({ role: 'admin', expiresAfterMs: 3_600_000 });
  const own = await signIn(web, key);
  expect((await own.get('/console')).status).toBe(200);
  await web.deps.database.execute(
    sql`update dokku_api.keys set expires_at = now() - interval '1 second' where api_key = ${key.apiKey}`,
  );
  expect((await own.get('/console')).status).toBe(401);
});

test('a session lasts as long as the secret that began it', async () => {
  const key = await web.key({ role: 'admin' });
  const own = await signIn(web, key);
  await web.deps.keys.rotate(key.apiKey, 3_600_000);
  expect((await own.get('/console')).status).toBe(200);
  await web.deps.keys.rotate(key.apiKey, 3_600_000);
  expect((await own.get('/console')).status).toBe(401);
});

test('signing out takes the cookie away', async () => {
  const own = await signIn(web, admin);
  const answer = await own.post('/console/sign-out');
  expect([answer.status, answer.headers.get('location')]).toEqual([303, '/console/sign-in']);
  expect(answer.headers.get('set-cookie')).toMatch(/^dokku_api_console=; Max-Age=0; Path=\/console/);
});

test('a cookie that is cut, changed, made up or sealed for something else is no session', async () => {
  const [name, value = ''] = session.cookie.split('=');
  const text = createSeal([secretKey], 'console-session').open(value);
  const forged = [
    '',
    'x',
    value.slice(0, -1),
    value.slice(0, -6).concat('AAAAAA'),
    createSeal(['another secret key of 32 characters and more'], 'console-session').seal(text),
    createSeal([secretKey], 'signing-secret').seal(text),
    createSeal([secretKey], 'console-session').seal('{}'),
  ];
  for (const other of forged) {
    expect((await sessionWith(web, `${name}=${other}`).get('/console')).status).toBe(401);
  }
  const own = createSeal([secretKey], 'console-session').seal(text);
  expect((await sessionWith(web, `${name}=${own}`).get('/console')).status).toBe(200);
});

test('a session ends after twelve hours by the clock', async () => {
  let time = 1_700_000_000_000;
  const sessions = createSessions({
    keys: web.deps.keys,
    seal: createSeal([secretKey], 'console-session'),
    wallClock: () => time,
  });
  const signedIn = await sessions.signIn(admin);
  if (signedIn.outcome !== 'signed in') throw new Error(signedIn.outcome);
  time += sessionSeconds * 1000 - 1;
  expect((await sessions.find(signedIn.cookie))?.key.publicId).toBe(admin.publicId);
  time += 1;
  expect(await sessions.find(signedIn.cookie)).toBeNull();
});

test('using the console is a use of its key', async () => {
  const key = await web.key({ role: 'admin' });
  const own = await signIn(web, key);
  await web.deps.database.execute(sql`update dokku_api.keys set last_used_at = null where api_key = ${key.apiKey}`);
  await own.get('/console');
  await waitFor(async () => (await web.deps.keys.get(key.apiKey))?.lastUsedAt, { describe: 'the use to be stored' });
});
