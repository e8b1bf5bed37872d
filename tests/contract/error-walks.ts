/** The rows of *Errors*: each code is reached, in both of its forms. */
import { expect } from 'vitest';
import { type ErrorCode, errorStatus } from '../../lib/errors.ts';
import { holdAnswer } from '../support/held-message.ts';
import { type Answer, type Sending, send } from '../support/send.ts';
import { quoted } from './contract-rows.ts';
import type { RowCheck } from './row-check.ts';
import { type Credentials, form, notAToken, type Scene } from './scene.ts';
import type { Walk, Walks } from './walk.ts';

/** Makes a request that is refused with the code, and sends it again whenever it is called, with more headers. */
type Provoke = (scene: Scene) => Promise<(accept: Record<string, string>) => Promise<Answer>>;

const posting = (fields: Record<string, string>, as?: Credentials, headers: Record<string, string> = {}) => ({
  method: 'POST',
  path: '/commands',
  headers: { 'Content-Type': form, ...as, ...headers },
  body: new URLSearchParams(fields).toString(),
});

function request(make: Sending | ((scene: Scene) => Sending | Promise<Sending>)): Provoke {
  return async (scene) => {
    const { method = 'GET', path, ...sending } = typeof make === 'function' ? await make(scene) : make;
    return (accept) => scene.send(method, path, { ...sending, headers: { ...sending.headers, ...accept } });
  };
}

async function running(scene: Scene): Promise<string> {
  const hold = await scene.daemon.hold('ps:report running');
  const { body } = await scene.post('/commands', { cmd: 'ps:report running' });
  await hold.held();
  scene.afterwards(hold.release);
  return (JSON.parse(body) as { token: string }).token;
}

const provocations: Record<Exclude<ErrorCode, 'internal_error'>, Provoke> = {
  malformed_json: request({
    method: 'POST',
    path: '/commands',
    headers: { 'Content-Type': 'application/json' },
    body: '{"cmd":"apps:list"',
  }),
  malformed_form: request({ method: 'POST', path: '/commands', headers: { 'Content-Type': form }, body: 'cmd=%' }),
  bad_query: request({ path: '/commands?limit=%' }),
  not_authenticated:
    async ({ web }) =>
    (accept) =>
      send(web.url, { path: '/nowhere', headers: accept }),
  command_not_allowed: request(async ({ credentials }) =>
    posting({ cmd: 'ps:report' }, await credentials({ rules: ['apps:*'] })),
  ),
  server_not_allowed: request(async ({ credentials }) =>
    posting({ cmd: 'ps:report' }, await credentials({ servers: ['eu'] })),
  ),
  role_not_allowed: request(async ({ credentials }) =>
    posting({ cmd: 'ps:report' }, await credentials({ role: 'read' })),
  ),
  cross_site: request(posting({ cmd: 'ps:report' }, undefined, { 'Sec-Fetch-Site': 'cross-site' })),
  not_found: request({ path: `/commands/${notAToken}` }),
  method_not_allowed: request({ method: 'PUT', path: '/commands' }),
  not_final: request(async (scene) => ({ method: 'POST', path: `/commands/${await running(scene)}/retry` })),
  already_final: request(async ({ finished }) => ({ method: 'DELETE', path: `/commands/${(await finished()).token}` })),
  already_running: request(async (scene) => ({ method: 'DELETE', path: `/commands/${await running(scene)}` })),
  body_too_large: request({
    method: 'POST',
    path: '/commands',
    headers: { 'Content-Type': form },
    body: ['x'.repeat(65_537)],
  }),
  unsupported_media_type: request({
    method: 'POST',
    path: '/commands',
    headers: { 'Content-Type': 'text/plain' },
    body: 'apps:list',
  }),
  invalid_parameters: request(posting({ cmd: '', timeout: 'x' })),
  idempotency_key_reused: request(async (scene) => {
    await scene.send('POST', '/commands', posting({ cmd: 'apps:list' }, undefined, { 'Idempotency-Key': 'errors' }));
    return posting({ cmd: 'apps:report' }, undefined, { 'Idempotency-Key': 'errors' });
  }),
  rate_limited: request(async (scene) => {
    const headers = await scene.credentials({ rateLimit: 1 });
    await scene.send('GET', '/servers', { headers });
    return { path: '/servers', headers };
  }),
  too_many_failed_attempts: request(async (scene) => {
    const from = { 'X-Forwarded-For': '203.0.113.7' };
    for (let at = 0; at < 20; at++) await scene.send('GET', '/', { headers: { ...from, 'Api-Secret': 'wrong' } });
    const valid = await scene.send('GET', '/servers', { headers: from });
    expect(valid.status).toBe(200);
    return { path: '/servers', headers: { ...from, 'Api-Secret': 'wrong' } };
  }),
  database_unavailable: async ({ frail, admin, afterwards }) => {
    frail.postgres.refuse();
    frail.postgres.cut();
    afterwards(frail.postgres.allow);
    return (accept) => send(frail.web.url, posting({ cmd: 'apps:list' }, admin, accept));
  },
  outcome_unknown: async ({ frail, admin }) => {
    return async (accept) => {
      // One connection has looked the key up, so that the statement to lose is the only one that is still to come.
      const stored = holdAnswer(frail.postgres, 'insert_command');
      const answer = send(frail.web.url, posting({ cmd: 'ps:report lost' }, admin, accept));
      await stored.reached;
      frail.postgres.refuse();
      frail.postgres.cut();
      stored.settle('cut');
      return await answer.finally(() => frail.postgres.allow());
    };
  },
};

const headersOf: Partial<Record<ErrorCode, Record<string, unknown>>> = {
  not_authenticated: { 'www-authenticate': 'ApiKey', ratelimit: null },
  method_not_allowed: { allow: 'GET, HEAD, POST' },
  rate_limited: { 'retry-after': /^\d+$/ },
  too_many_failed_attempts: { 'retry-after': /^\d+$/ },
  database_unavailable: { 'retry-after': /^\d+$/, location: null },
  outcome_unknown: { 'retry-after': /^\d+$/, location: /^\/commands\/[0-9a-f]{64}$/ },
};

async function checkForms(check: RowCheck, scene: Scene, code: Exclude<ErrorCode, 'internal_error'>): Promise<void> {
  const provoke = await provocations[code](scene);
  const status = errorStatus[code];
  const more = headersOf[code] ?? {};
  const seed = await provoke({});
  check.status(seed, status);
  check.headers(seed, { 'content-type': 'application/json', 'x-request-id': /./, ...more });
  const body = JSON.parse(seed.body) as Record<string, unknown>;
  check.body(body, { status: 'error', message: code, code, request_id: seed.headers['x-request-id'] });
  const keys = ['status', 'message', 'code', 'detail', 'request_id'];
  check.body(Object.keys(body), status === 422 ? [...keys, 'messages', 'errors'] : keys);
  expect(body.detail).toMatch(/^\S.{10,}\.$/);

  const problem = await provoke({ Accept: 'application/problem+json' });
  check.status(problem, status);
  check.headers(problem, { 'content-type': 'application/problem+json', 'x-request-id': /./, ...more });
  const parsed = JSON.parse(problem.body) as Record<string, unknown>;
  check.body(parsed, { status, code, detail: body.detail, request_id: problem.headers['x-request-id'] });
  const members = ['type', 'title', 'status', 'detail', 'code', 'request_id'];
  check.body(Object.keys(parsed), status === 422 ? [...members, 'errors'] : members);
  if (code === 'invalid_parameters') {
    check.body(body.messages, ['timeout must be a whole number of seconds from 1 to 86400', 'cmd must not be blank']);
    check.body(parsed.errors, body.errors);
    check.body(body.errors, [
      { field: 'timeout', code: expect.stringMatching(/^[a-z_]+$/), detail: expect.any(String) },
      { field: 'cmd', code: 'blank', detail: expect.any(String) },
    ]);
  }
  if (code === 'outcome_unknown') {
    const found = await scene.send('GET', String(problem.headers.location));
    check.body(JSON.parse(found.body), { command: 'ps:report lost' });
  }
}

/** Every code of the row has the row's status, and no code of that status is left out of it. */
const walk: Walk = async (check, scene, { name, rule }) => {
  const statuses = name.split(', ').map(Number);
  const codes = quoted(rule).filter((code): code is Exclude<ErrorCode, 'internal_error'> => code in provocations);
  const known = Object.entries(errorStatus).filter(([, status]) => statuses.includes(status));
  expect(new Set(codes)).toEqual(new Set(known.map(([code]) => code)));
  for (const code of codes) {
    await checkForms(check, scene, code);
    await scene.tidy();
  }
};

export const errorWalks: Walks = Object.fromEntries(
  ['400', '401', '403', '404, 405', '409', '413, 415', '422', '429', '503'].map((status) => [status, walk]),
);
