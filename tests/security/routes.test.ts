/** Every route of the route table, against everybody who may not use it. */
import { beforeAll, describe, expect, test } from 'vitest';
import { createKeys, type GeneratedKey, type Keys } from '../../db/keys.ts';
import { type KeyRole, may, type NewKey } from '../../lib/key.ts';
import { createSeal } from '../../lib/seal.ts';
import { startWeb as startWebInside } from '../handlers/web.ts';
import { createInstallation, type Installation } from '../support/installation.ts';
import { type Answer, ask } from './ask.ts';
import { type RouteCase, requestOf, routeTable } from './route-table.ts';
import { stateOf, storeCommand } from './targets.ts';

let installation: Installation;
let keys: Keys;
/** Two web processes of the installation. */
let webs: string[];
let inTable: Set<string>;

const requestId = 'security-suite';
const nobodysToken = '0'.repeat(64);

type Pair = Pick<GeneratedKey, 'apiKey' | 'apiSecret'>;
const headersOf = ({ apiKey, apiSecret }: Pair) => ({ 'Api-Key': apiKey, 'Api-Secret': apiSecret });
const basicOf = ({ apiKey, apiSecret }: Pair) => ({
  Authorization: `Basic ${Buffer.from(`${apiKey}:${apiSecret}`).toString('base64')}`,
});
const newKey = (options: Partial<NewKey> = {}) => keys.generate({ owner: 'shop', ...options });

beforeAll(async () => {
  installation = await createInstallation({
    servers: ['default', 'eu'],
    env: { TRUSTED_PROXIES: '1', CALLBACK_ALLOW: 'example.com' },
  });
  const { database, databaseUrl, redis, env } = installation;
  keys = createKeys(database, createSeal([env.SECRET_KEY ?? ''], 'signing-secret'));
  const started = await Promise.all([1, 2].map(() => installation.startWeb()));
  webs = started.map(({ url }) => url);
  const inside = await startWebInside({ databaseUrl, redisUrl: redis.url });
  inTable = new Set(
    inside.routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => `${method} ${path}`),
  );
});

type AskRouteOptions = { headers?: Record<string, string>; token?: string; server?: string; web?: number };

/** Asks a route about a command of the owner shop that is as the route needs it, or about the one with the token. */
async function askRoute(route: string, options: AskRouteOptions = {}): Promise<Answer> {
  const { headers = {}, server = 'default', web = 0 } = options;
  const { of } = routeTable[route] as RouteCase;
  const token = options.token ?? (of === undefined ? '' : await storeCommand(installation.database, of, { server }));
  const { path, ...request } = requestOf(route, token, server);
  return await ask(`${webs[web]}${path}`, {
    ...request,
    headers: { 'X-Request-Id': requestId, 'Content-Type': 'application/json', ...headers },
  });
}

/** Asks for what must be refused, and sees that nothing was changed by it. */
async function expectRefused(route: string, status: number, code: string, options: AskRouteOptions = {}) {
  const { of } = routeTable[route] as RouteCase;
  const server = options.server ?? 'default';
  const token = options.token ?? (of === undefined ? '' : await storeCommand(installation.database, of, { server }));
  const before = await stateOf(installation.database);
  const answer = await askRoute(route, { ...options, token });
  expect([route, answer.status, JSON.parse(answer.body)]).toEqual([route, status, expect.objectContaining({ code })]);
  expect(await stateOf(installation.database)).toEqual(before);
  return answer;
}

/** But for those of the console, which has sessions in place of keys: see console.test.ts. */
const routes = Object.entries(routeTable).filter(([route]) => !route.includes(' /console'));
const named = (cases: typeof routes) => cases.map(([route]) => route);
const behindKeys = routes.filter(([, { access }]) => access !== 'open');
const changing = behindKeys.filter(([, { changes }]) => changes === true);
const ofCommands = behindKeys.filter(([, { of }]) => of !== undefined);
const rolesWithout = ({ access }: RouteCase) =>
  (['metrics', 'read', 'run'] as const).filter(
    (role) => access === 'open' || access === 'session' || !may(role, access),
  );
/** A key that may do it, unless something else is in its way. */
const roleFor = ({ access }: RouteCase): KeyRole => (access === 'metrics' ? 'metrics' : 'run');

test('the suite knows every route of the table', () => {
  expect([...inTable].filter((route) => routeTable[route] === undefined)).toEqual([]);
  expect(named(behindKeys).filter((route) => !inTable.has(route))).toEqual([]);
});

test.each(routes)('%s is answered where nothing is in the way', async (route, known) => {
  const headers = known.access === 'open' ? {} : headersOf(await newKey({ role: roleFor(known) }));
  expect([route, (await askRoute(route, { headers })).status]).toEqual([route, known.succeeds]);
});

describe('without valid credentials', () => {
  const failures: Record<string, () => Promise<Record<string, string>>> = {
    'no key': async () => ({}),
    'an unknown key': async () => headersOf({ apiKey: 'f'.repeat(32), apiSecret: 'e'.repeat(32) }),
    'a wrong secret': async () => headersOf({ ...(await newKey()), apiSecret: 'e'.repeat(32) }),
    'an expired key': async () => {
      const key = await newKey({ expiresAfterMs: 3_600_000 });
      await installation.database.$client.query(
        `UPDATE dokku_api.keys SET expires_at = now() - interval '1 s' WHERE api_key = $1`,
        [key.apiKey],
      );
      return headersOf(key);
    },
    'a deleted key': async () => {
      const key = await newKey();
      // Used before, in both processes, so that whatever they remember of it is there.
      for (const web of webs) expect((await ask(`${web}/commands`, { headers: headersOf(key) })).status).toBe(200);
      await keys.delete(key.apiKey);
      return headersOf(key);
    },
    'a secret that was rotated away': async () => {
      const key = await newKey();
      for (const web of webs) expect((await ask(`${web}/commands`, { headers: headersOf(key) })).status).toBe(200);
      await keys.rotate(key.apiKey, 0);
      return headersOf(key);
    },
    'malformed Basic': async () => ({ Authorization: 'Basic Zm9v' }),
  };

  test.each(named(behindKeys))('%s has one and the same answer for all of them', async (route) => {
    const answers: [string, number, string, unknown][] = [];
    for (const [name, make] of Object.entries(failures)) {
      const headers = await make();
      for (const web of [0, 1]) {
        const {
          status,
          headers: received,
          body,
        } = await expectRefused(route, 401, 'not_authenticated', { headers, web });
        const { date, ...rest } = received;
        expect([name, date]).not.toEqual([name, undefined]);
        answers.push([route, status, body, rest]);
      }
    }
    expect(answers).toEqual(answers.map(() => answers[0]));
  });

  test.each(['/', '/nowhere', '/commands/', '/console/nowhere', `/commands/${nobodysToken}/nothing`])(
    'what is no path tells nobody so: %s',
    async (path) => {
      for (const method of ['GET', 'POST', 'OPTIONS']) {
        expect([method, (await ask(webs[0] + path, { method })).status]).toEqual([method, 401]);
      }
    },
  );
});

describe('a role that may not', () => {
  test.each(
    behindKeys.flatMap(([route, known]) => rolesWithout(known).map((role): [string, KeyRole] => [route, role])),
  )('%s is refused to the role %s', async (route, role) => {
    const headers = headersOf(await newKey({ role }));
    const refused = await expectRefused(route, 403, 'role_not_allowed', { headers });
    // And says no more of a command that there is than of one that there is not.
    const { of } = routeTable[route] as RouteCase;
    if (of === undefined) return;
    expect((await expectRefused(route, 403, 'role_not_allowed', { headers, token: nobodysToken })).body).toBe(
      refused.body,
    );
  });
});

describe('another owner’s command', () => {
  test.each(named(ofCommands))('%s does not know it', async (route) => {
    const { of, access } = routeTable[route] as RouteCase;
    for (const role of ['run', 'read'] as const) {
      if (access !== 'read' && role === 'read') continue;
      const headers = headersOf(await newKey({ role, owner: 'other' }));
      const creator = await newKey();
      const { id = 0 } = (await keys.get(creator.apiKey)) ?? {};
      const token = await storeCommand(installation.database, of ?? 'final', { keyId: id });
      const nothing = await expectRefused(route, 404, 'not_found', { headers, token: nobodysToken });
      expect((await expectRefused(route, 404, 'not_found', { headers, token })).body).toBe(nothing.body);
      await keys.delete(creator.apiKey);
      expect((await expectRefused(route, 404, 'not_found', { headers, token })).body).toBe(nothing.body);
    }
  });
});

describe('what bounds a key', () => {
  const needing = (what: 'needsServer' | 'needsRule') => named(behindKeys.filter(([, known]) => known[what] === true));

  test.each(needing('needsServer'))('%s: servers', async (route) => {
    const headers = headersOf(await newKey({ servers: ['default'] }));
    await expectRefused(route, 403, 'server_not_allowed', { headers, server: 'eu' });
    expect((await askRoute(route, { headers, server: 'default' })).status).toBe(routeTable[route]?.succeeds);
  });

  test.each(needing('needsRule'))('%s: rules', async (route) => {
    const headers = headersOf(await newKey({ rules: ['apps:list *', 'apps:lis', 'apps'] }));
    await expectRefused(route, 403, 'command_not_allowed', { headers });
    const allowed = headersOf(await newKey({ rules: ['apps:list'] }));
    expect((await askRoute(route, { headers: allowed })).status).toBe(routeTable[route]?.succeeds);
  });

  test.each(behindKeys)('%s: its rate limit, over both processes', async (route, known) => {
    const headers = headersOf(await newKey({ role: roleFor(known), rateLimit: 1 }));
    expect((await askRoute(route, { headers })).status).toBe(known.succeeds);
    const { headers: said } = await expectRefused(route, 429, 'rate_limited', { headers, web: 1 });
    expect(said).toMatchObject({
      'ratelimit-policy': '"key";q=1;w=60',
      ratelimit: expect.stringMatching(/^"key";r=0;t=\d+$/),
      'retry-after': expect.stringMatching(/^\d+$/),
    });
  });
});

describe('a page of another site', () => {
  const foreign: [string, Record<string, string>][] = [
    ['as browsers say', { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' }],
    ['of the same site', { 'Sec-Fetch-Site': 'same-site' }],
    ['of another port', { Origin: 'http://127.0.0.1:1' }],
    ['that hides its origin', { Origin: 'null' }],
    ['that says one thing and is another', { 'Sec-Fetch-Site': 'same-origin', Origin: 'https://evil.example' }],
  ];

  test.each(named(changing))('%s: changes nothing with what a browser holds', async (route) => {
    const key = await newKey();
    for (const credentials of [basicOf(key), headersOf(key)]) {
      for (const [, headers] of foreign) {
        await expectRefused(route, 403, 'cross_site', { headers: { ...credentials, ...headers } });
      }
    }
    const own = { 'Sec-Fetch-Site': 'same-origin', Origin: webs[0] ?? '' };
    expect((await askRoute(route, { headers: { ...basicOf(key), ...own } })).status).toBe(routeTable[route]?.succeeds);
  });

  test.each(named(behindKeys))(
    '%s: is given nothing by a preflight, and no browser asks for credentials',
    async (route) => {
      const { path } = requestOf(route, nobodysToken, 'default');
      const answer = await ask(webs[0] + path, {
        method: 'OPTIONS',
        headers: { Origin: 'https://evil.example', 'Access-Control-Request-Method': 'POST' },
      });
      expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, 'ApiKey']);
    },
  );
});
