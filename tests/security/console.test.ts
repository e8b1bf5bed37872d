/** Every route of the console, against everybody who is not signed in to it. */
import { beforeAll, describe, expect, test } from 'vitest';
import { createKeys, type GeneratedKey, type Keys } from '../../db/keys.ts';
import { createSeal } from '../../lib/seal.ts';
import { startWeb as startWebInside } from '../handlers/web.ts';
import { createInstallation, type Installation } from '../support/installation.ts';
import { ask } from './ask.ts';
import { type RouteCase, routeTable } from './route-table.ts';
import { stateOf, storeCommand } from './targets.ts';

let installation: Installation;
let keys: Keys;
let url: string;
let inTable: string[];
let admin: GeneratedKey;
let session: Session;

type Session = { cookie: string; formToken: string };

const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
const encode = (fields: Record<string, string>) => new URLSearchParams(fields).toString();

async function signIn({ apiKey, apiSecret }: GeneratedKey, headers: Record<string, string> = {}) {
  return await ask(`${url}/console/sign-in`, {
    method: 'POST',
    headers: { ...form, ...headers },
    body: encode({ api_key: apiKey, api_secret: apiSecret, next: '/console' }),
  });
}

async function begin(key: GeneratedKey): Promise<Session> {
  const { status, headers } = await signIn(key);
  expect(status).toBe(303);
  const cookie = headers['set-cookie']?.[0]?.split(';')[0] ?? '';
  const page = await ask(`${url}/console/run`, { headers: { Cookie: cookie } });
  const formToken = /name="form_token" value="([^"]+)"/.exec(page.body)?.[1] ?? '';
  expect(formToken).not.toBe('');
  return { cookie, formToken };
}

beforeAll(async () => {
  installation = await createInstallation({ env: { TRUSTED_PROXIES: '1' } });
  const { database, databaseUrl, redis, env } = installation;
  keys = createKeys(database, createSeal([env.SECRET_KEY ?? ''], 'signing-secret'));
  ({ url } = await installation.startWeb());
  const inside = await startWebInside({ databaseUrl, redisUrl: redis.url });
  inTable = inside.routes.map(({ method, path }) => `${method} ${path}`);
  admin = await keys.generate({ role: 'admin', owner: 'ops' });
  session = await begin(admin);
});

async function askRoute(route: string, headers: Record<string, string>, fields: Record<string, string> = {}) {
  const [method = '', pattern = ''] = route.split(' ');
  const { of } = routeTable[route] as RouteCase;
  const token = of === undefined ? '' : await storeCommand(installation.database, of);
  const path = pattern.replace(':token', token);
  const before = await stateOf(installation.database);
  const answer = await ask(url + path, {
    method,
    headers: { ...headers, ...(method === 'POST' ? form : {}) },
    ...(method === 'POST' ? { body: encode({ cmd: 'apps:list', ...fields }) } : {}),
  });
  return { ...answer, changed: JSON.stringify(await stateOf(installation.database)) !== JSON.stringify(before), token };
}

const ofConsole = Object.entries(routeTable).filter(([route]) => route.includes(' /console'));
const behindSession = ofConsole.filter(([, { access }]) => access === 'session');
const changing = behindSession.filter(([, { changes }]) => changes === true);
const named = (cases: typeof ofConsole) => cases.map(([route]) => route);

test('the suite tests no route that is not there', () => {
  expect(named(ofConsole).filter((route) => !inTable.includes(route))).toEqual([]);
});

test.each(behindSession)('%s is answered in a session', async (route, { succeeds }) => {
  const own = route === 'POST /console/sign-out' ? await begin(admin) : session;
  const { status } = await askRoute(route, { Cookie: own.cookie }, { form_token: own.formToken });
  expect([route, status]).toEqual([route, succeeds]);
});

describe('without a session', () => {
  const strangers: Record<string, Record<string, string>> = {};

  beforeAll(async () => {
    const { apiKey, apiSecret } = admin;
    const sessionOfNoMore = async (end: (key: GeneratedKey) => Promise<unknown>) => {
      const key = await keys.generate({ role: 'admin' });
      const { cookie } = await begin(key);
      await end(key);
      return { Cookie: cookie };
    };
    Object.assign(strangers, {
      'no cookie': {},
      'the headers of an admin key': { 'Api-Key': apiKey, 'Api-Secret': apiSecret },
      'Basic of an admin key': { Authorization: `Basic ${Buffer.from(`${apiKey}:${apiSecret}`).toString('base64')}` },
      'a made-up cookie': { Cookie: `${session.cookie.split('=')[0]}=v1.0123456789ab.${'A'.repeat(120)}` },
      'a cookie that was changed': { Cookie: session.cookie.replace(/.{4}$/, (end) => [...end].reverse().join('')) },
      'the session of a deleted key': await sessionOfNoMore((key) => keys.delete(key.apiKey)),
      'the session of a secret that was rotated away': await sessionOfNoMore((key) => keys.rotate(key.apiKey, 0)),
    });
  });

  test.each(named(behindSession))('%s shows the form to sign in, and does nothing', async (route) => {
    for (const [name, headers] of Object.entries(strangers)) {
      const { status, body, changed, token } = await askRoute(route, headers, { form_token: session.formToken });
      expect([name, status, changed]).toEqual([name, 401, false]);
      expect(body).toContain('action="/console/sign-in"');
      if (token !== '') expect(body).not.toContain(`output of ${token}`);
    }
  });

  test('nobody is signed in but a key of the role admin, and the cookie is kept from scripts and other sites', async () => {
    for (const role of ['metrics', 'read', 'run'] as const) {
      const { status, headers } = await signIn(await keys.generate({ role }));
      expect([role, status, headers['set-cookie']]).toEqual([role, 403, undefined]);
    }
    const wrong = await signIn({ ...admin, apiSecret: 'e'.repeat(32) });
    const unknown = await signIn({ ...admin, apiKey: 'f'.repeat(32) });
    expect([wrong.status, unknown.status]).toEqual([401, 401]);
    const page = ({ body }: { body: string }) => body.replace(/(server-time" content|api_key" value)="\w+"/g, '$1');
    expect(page(wrong)).toBe(page(unknown));
    const [cookie] = (await signIn(admin, { 'X-Forwarded-Proto': 'https' })).headers['set-cookie'] ?? [];
    for (const attribute of ['HttpOnly', 'SameSite=Strict', 'Secure', 'Path=/console']) {
      expect(cookie?.split('; ')).toContain(attribute);
    }
  });

  test('signing in leads to no other site', async () => {
    for (const next of ['https://evil.example', '//evil.example', '/\\evil.example', '/console@evil.example', '/x']) {
      const { headers } = await ask(`${url}/console/sign-in`, {
        method: 'POST',
        headers: form,
        body: encode({ api_key: admin.apiKey, api_secret: admin.apiSecret, next }),
      });
      expect([next, headers.location]).toEqual([next, '/console']);
    }
  });
});

describe('a page of another site', () => {
  test.each([...named(changing), 'POST /console/sign-in'])('%s: changes nothing', async (route) => {
    const foreign: Record<string, string>[] = [
      { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' },
      { 'Sec-Fetch-Site': 'same-site' },
      { Origin: 'null' },
    ];
    for (const headers of foreign) {
      const fields = { form_token: session.formToken, api_key: admin.apiKey, api_secret: admin.apiSecret };
      const answer = await askRoute(route, { Cookie: session.cookie, ...headers }, fields);
      expect([headers, answer.status, answer.changed]).toEqual([headers, 403, false]);
    }
  });

  let another: Session;
  beforeAll(async () => {
    another = await begin(await keys.generate({ role: 'admin' }));
  });

  test.each(named(changing))('%s: nor with a form that is not of this session', async (route) => {
    for (const form_token of ['', 'x'.repeat(43), another.formToken]) {
      const { status, changed } = await askRoute(route, { Cookie: session.cookie }, { form_token });
      expect([form_token, status, changed]).toEqual([form_token, 403, false]);
    }
  });
});

describe('a key that is bound to servers or rules', () => {
  test.each(['POST /console/commands', 'POST /console/commands/:token/retry', 'POST /console/commands/:token/cancel'])(
    '%s: is bound in the console as well',
    async (route) => {
      const away = await begin(await keys.generate({ role: 'admin', servers: ['eu'] }));
      const refused = await askRoute(route, { Cookie: away.cookie }, { form_token: away.formToken });
      expect([refused.status, refused.changed]).toEqual([403, false]);
      if (route.endsWith('cancel')) return;
      const ruled = await begin(await keys.generate({ role: 'admin', rules: ['apps:create *'] }));
      const unruly = await askRoute(route, { Cookie: ruled.cookie }, { form_token: ruled.formToken });
      expect([unruly.status, unruly.changed]).toEqual([403, false]);
    },
  );
});

test.each(behindSession)('%s is bound by the key’s rate limit', async (route, known) => {
  const key = await keys.generate({ role: 'admin', rateLimit: 2 });
  const { cookie, formToken } = await begin(key);
  await askRoute(route, { Cookie: cookie }, { form_token: formToken });
  const { status, changed } = await askRoute(route, { Cookie: cookie }, { form_token: formToken });
  expect([status, changed, known.access]).toEqual([429, false, 'session']);
});
