import { request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { beforeAll, describe, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { startProxy } from '../support/proxy.ts';
import { query } from '../support/query.ts';
import { startTestRedis, type TestRedis } from '../support/redis.ts';
import { type ClientKey, startWeb, type Web } from './web.ts';

let database: TestDatabase;
let redis: TestRedis;
let web: Web;
let key: ClientKey;

beforeAll(async () => {
  [database, redis] = await Promise.all([createDatabase(), startTestRedis()]);
  web = await startWeb({ databaseUrl: database.url, redisUrl: redis.url });
  key = await web.key();
});

const nobody = 'f'.repeat(64);

type Sent = { status: number; headers: Record<string, string | string[] | undefined>; body: string };

/** By hand, since fetch adds headers and knows not every method. */
function send(method: string, path: string, headers: Record<string, string> = key.headers): Promise<Sent> {
  return new Promise((resolve, reject) => {
    const outgoing = request(web.url, { method, path, headers });
    outgoing.once('error', reject);
    outgoing.once('response', (incoming) => {
      text(incoming).then(
        (body) => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body }),
        reject,
      );
    });
    outgoing.end();
  });
}

describe('the form of an error', () => {
  test('is that of the seed, unless that of RFC 9457 is asked for', async () => {
    for (const accept of [
      undefined,
      '*/*',
      'application/json',
      'text/html',
      'application/problem+json;q=0.5, application/json',
    ]) {
      const { status, headers, body } = await send('GET', `/commands/${nobody}`, {
        ...key.headers,
        'X-Request-Id': 'mine-1',
        ...(accept === undefined ? {} : { Accept: accept }),
      });
      expect([status, headers['content-type'], JSON.parse(body)]).toEqual([
        404,
        'application/json',
        { status: 'error', message: 'not_found', code: 'not_found', detail: expect.any(String), request_id: 'mine-1' },
      ]);
      expect(headers['x-request-id']).toBe('mine-1');
      expect(headers.vary).toContain('Accept');
    }
    for (const accept of [
      'application/problem+json',
      'application/json, application/problem+json',
      'Application/Problem+JSON, */*;q=0.1',
    ]) {
      const { status, headers, body } = await send('GET', `/commands/${nobody}`, { ...key.headers, Accept: accept });
      expect([status, headers['content-type'], JSON.parse(body)]).toEqual([
        404,
        'application/problem+json',
        {
          type: 'about:blank',
          title: 'Not Found',
          status: 404,
          detail: expect.any(String),
          code: 'not_found',
          request_id: headers['x-request-id'],
        },
      ]);
    }
  });

  test('has the refused fields in both', async () => {
    const problem = await fetch(`${web.url}/commands`, {
      method: 'POST',
      headers: { ...key.headers, Accept: 'application/problem+json' },
    });
    expect(await problem.json()).toMatchObject({
      status: 422,
      errors: [{ field: 'cmd', code: 'blank', detail: expect.any(String) }],
    });
    expect(problem.headers.get('content-type')).toBe('application/problem+json');
    const seed = await fetch(`${web.url}/commands`, { method: 'POST', headers: key.headers });
    expect(await seed.json()).toMatchObject({ status: 'error', messages: ['cmd must not be blank'] });
  });
});

test('a request id that is not usable is replaced', async () => {
  for (const given of ['', 'a b', 'x'.repeat(129), 'ä']) {
    const { headers } = await send('GET', '/healthz', { 'X-Request-Id': given });
    expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  }
  const { headers } = await send('GET', '/healthz', { 'X-Request-Id': 'x'.repeat(128) });
  expect(headers['x-request-id']).toBe('x'.repeat(128));
});

describe('without credentials', () => {
  test('every path is 401, but for the open ones', async () => {
    const paths = [
      '/',
      '/nowhere',
      '/commands',
      '/commands/',
      `/commands/${nobody}`,
      '/events',
      '/healthz/',
      '/commands?x=%',
    ];
    for (const path of paths) {
      for (const method of ['GET', 'POST', 'DELETE', 'OPTIONS', 'PATCH', 'HEAD']) {
        const { status, headers, body } = await send(method, path, {});
        expect([method, path, status, headers['www-authenticate']]).toEqual([method, path, 401, 'ApiKey']);
        if (method !== 'HEAD') expect(JSON.parse(body)).toMatchObject({ status: 'error', code: 'not_authenticated' });
      }
    }
    const { status, body } = await send('GET', '/healthz', {});
    expect([status, JSON.parse(body)]).toEqual([
      200,
      { status: 'ok', version: expect.stringMatching(/^\d+\.\d+\.\d+/) },
    ]);
  });
});

describe('with credentials', () => {
  test('what is no path is 404, trailing slashes included', async () => {
    for (const path of [
      '/',
      '/nowhere',
      '/commands/',
      `/commands/${nobody}/`,
      `/commands/${nobody}/nothing`,
      '/events/',
      '//commands',
    ]) {
      for (const method of ['GET', 'POST', 'OPTIONS']) {
        const { status, body } = await send(method, path);
        expect([method, path, status, JSON.parse(body).code]).toEqual([method, path, 404, 'not_found']);
      }
    }
  });

  test('a token of another form is 404', async () => {
    for (const token of ['x', 'F'.repeat(64), `${nobody}0`, '%00', '..%2f', `${nobody.slice(1)}%00`, '%ff']) {
      expect((await send('GET', `/commands/${token}`)).status).toBe(404);
    }
  });

  test('a method that a path does not have is 405, with those that it has', async () => {
    const allowed: Record<string, string[]> = {
      '/healthz': ['GET', 'HEAD'],
      '/commands': ['GET', 'HEAD', 'POST'],
      [`/commands/${nobody}`]: ['DELETE', 'GET', 'HEAD'],
      [`/commands/${nobody}/events`]: ['GET'],
      [`/commands/${nobody}/retry`]: ['GET', 'POST'],
      [`/commands/${nobody}/deliveries`]: ['GET', 'HEAD', 'POST'],
      '/events': ['GET'],
    };
    for (const [path, methods] of Object.entries(allowed)) {
      for (const method of ['OPTIONS', 'PUT', 'PATCH', 'HEAD', 'POST', 'DELETE', 'PROPFIND', 'TRACE']) {
        if (methods.includes(method)) continue;
        const { status, headers, body } = await send(method, path);
        expect([method, path, status]).toEqual([method, path, 405]);
        expect(String(headers.allow).split(', ').sort()).toEqual(methods);
        if (method !== 'HEAD') expect(JSON.parse(body)).toMatchObject({ code: 'method_not_allowed' });
      }
    }
    const patterns = web.routes
      .filter(({ method, path }) => method !== 'ALL' && /^\/(commands|events)/.test(path))
      .map(({ path }) => path.replace(':token', nobody));
    expect(Object.keys(allowed)).toEqual(expect.arrayContaining(patterns));
  });

  test('HEAD on a plain read is as GET, without a body', async () => {
    await fetch(`${web.url}/commands`, {
      method: 'POST',
      headers: key.headers,
      body: new URLSearchParams({ cmd: 'apps:list' }),
    });
    const [command] = (await (await fetch(`${web.url}/commands`, { headers: key.headers })).json()) as {
      token: string;
    }[];
    for (const path of [
      '/healthz',
      '/commands',
      '/commands?limit=1',
      `/commands/${command?.token}`,
      `/commands/${command?.token}/deliveries`,
    ]) {
      const [head, get] = [await send('HEAD', path), await send('GET', path)];
      expect([path, head.status, head.body]).toEqual([path, 200, '']);
      expect(head.headers['content-type']).toBe(get.headers['content-type']);
    }
    expect((await send('HEAD', `/commands/${nobody}`)).status).toBe(404);
  });
});

test('a page of another site cannot make a browser change anything, GET …/retry included', async () => {
  const path = `/commands/${nobody}/retry`;
  for (const headers of [
    { 'Sec-Fetch-Site': 'cross-site' },
    { 'Sec-Fetch-Site': 'same-site' },
    { Origin: 'https://evil.example' },
    { Origin: 'null' },
  ]) {
    for (const [method, target] of [
      ['GET', path],
      ['POST', path],
      ['POST', '/commands'],
      ['DELETE', `/commands/${nobody}`],
    ] as const) {
      const { status, body } = await send(method, target, { ...key.headers, ...headers });
      expect([method, status, JSON.parse(body).code]).toEqual([method, 403, 'cross_site']);
    }
  }
  for (const headers of [{ 'Sec-Fetch-Site': 'none' }, { 'Sec-Fetch-Site': 'same-origin', Origin: web.url }]) {
    expect((await send('POST', path, { ...key.headers, ...headers })).status).toBe(404);
  }
});

test('a key of the role metrics reads nothing else, and knows no path better for it', async () => {
  const metrics = await web.key({ role: 'metrics' });
  for (const path of [
    '/commands',
    `/commands/${nobody}`,
    '/events',
    `/commands/${nobody}/events`,
    `/commands/${nobody}/deliveries`,
  ]) {
    expect((await send('GET', path, metrics.headers)).status).toBe(403);
  }
  expect((await send('GET', '/nowhere', metrics.headers)).status).toBe(404);
});

test('what is no request at all gets the form of the contract where HTTP still works', async () => {
  const answerTo = async (lines: string[]): Promise<string> => {
    const socket = connect(Number(new URL(web.url).port), '127.0.0.1');
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    return await text(socket);
  };
  const answer = await answerTo(['GET /commands HTTP/1.1', 'Host: a b', 'Connection: close']);
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(answer).toContain('"status":"error"');
  expect(await answerTo(['GET /a HTTP/9.9', 'Host: a'])).toMatch(/^HTTP\/1\.1 (400|505) /);
});

test('where Postgres is away the answer is 503 with Retry-After, and nothing of the inside gets out', async () => {
  const proxy = await startProxy({ target: database.url });
  const away = await startWeb({ databaseUrl: proxy.url(database.url), redisUrl: redis.url });
  proxy.refuse();
  proxy.cut();
  for (const [method, path] of [
    ['POST', '/commands'],
    ['GET', '/commands'],
    ['GET', '/events'],
    ['GET', `/commands/${nobody}`],
  ] as const) {
    const response = await fetch(away.url + path, {
      method,
      headers: key.headers,
      ...(method === 'POST' ? { body: new URLSearchParams({ cmd: 'secret:cmd' }) } : {}),
    });
    expect([path, response.status, response.headers.get('retry-after')]).toEqual([path, 503, '5']);
    const body = await response.text();
    expect(JSON.parse(body)).toMatchObject({ code: 'database_unavailable' });
    expect(body).not.toMatch(/select|insert|ECONN|secret/i);
  }
  expect((await fetch(`${away.url}/healthz`)).status).toBe(200);
  const lines = JSON.stringify(away.log);
  expect(lines).toContain('Postgres could not answer');
  expect(lines).not.toContain('secret:cmd');
  await proxy.allow();
  expect((await fetch(`${away.url}/commands`, { headers: key.headers })).status).toBe(200);
  await away.stop();
});

test('each request is one line of the log, which names the pattern and never what was asked', async () => {
  const command = 'config:set shop PASSWORD=hunter2';
  await fetch(`${web.url}/commands?q=hunter2`, { headers: { ...key.headers, 'X-Request-Id': 'logged-1' } });
  await fetch(`${web.url}/commands`, {
    method: 'POST',
    headers: { ...key.headers, 'X-Request-Id': 'logged-2' },
    body: new URLSearchParams({ cmd: command }),
  });
  await fetch(`${web.url}/commands/${nobody}`, { headers: { ...key.headers, 'X-Request-Id': 'logged-3' } });
  await fetch(`${web.url}/${key.apiSecret}`, { headers: { 'X-Request-Id': 'logged-4' } });
  const line = (id: string) => web.log.filter((entry) => entry.request_id === id);
  await expect.poll(() => line('logged-4')).toHaveLength(1);
  expect(line('logged-1')).toEqual([
    expect.objectContaining({
      msg: 'request',
      method: 'GET',
      route: '/commands',
      status: 200,
      key: key.publicId,
      duration_ms: expect.any(Number),
    }),
  ]);
  expect(line('logged-2')).toEqual([
    expect.objectContaining({ msg: 'command accepted', token: expect.stringMatching(/^[0-9a-f]{64}$/) }),
    expect.objectContaining({ method: 'POST', route: '/commands', status: 202 }),
  ]);
  expect(line('logged-3')).toEqual([expect.objectContaining({ route: '/commands/:token', status: 404 })]);
  expect(line('logged-4')).toEqual([expect.objectContaining({ status: 401 })]);
  const log = JSON.stringify(web.log);
  for (const secret of ['hunter2', key.apiSecret, key.apiKey]) expect(log).not.toContain(secret);
});

test('a database without the tables of this version is told as that, and no defect of ours', async () => {
  const empty = await createDatabase();
  await query(empty.url, 'DROP SCHEMA dokku_api CASCADE');
  const other = await startWeb({ databaseUrl: empty.url, redisUrl: redis.url });
  const answer = await fetch(`${other.url}/commands`, { headers: key.headers });
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '30']);
  expect(await answer.json()).toMatchObject({
    code: 'database_unavailable',
    detail: expect.stringContaining('npm run migrate'),
  });
  expect(other.log).toContainEqual(
    expect.objectContaining({ code: '42P01', msg: expect.stringContaining('run npm run migrate') }),
  );
});
