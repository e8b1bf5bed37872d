import { once } from 'node:events';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { errorStatus } from '../../lib/errors.ts';
import { createDatabase } from '../support/database.ts';
import { startTestRedis } from '../support/redis.ts';
import { type ClientKey, startWeb, type Web } from './web.ts';

let web: Web;
let key: ClientKey;
let token: string;

beforeAll(async () => {
  const [database, redis] = await Promise.all([createDatabase(), startTestRedis()]);
  web = await startWeb({
    databaseUrl: database.url,
    redisUrl: redis.url,
    settings: { RATE_LIMIT: '1000000', SYNC_WAIT: '1' },
  });
  key = await web.key();
  const posted = await fetch(`${web.url}/commands`, {
    method: 'POST',
    headers: key.headers,
    body: new URLSearchParams({ cmd: 'apps:list' }),
  });
  token = ((await posted.json()) as { token: string }).token;
  await web.runOldest({ output: 'x' });
});

type Request = { method: string; path: string; headers: Record<string, string>; body: Uint8Array };
type Sent = { status: number; type: string; body: string };

function send({ method, path, headers, body }: Request): Promise<Sent> {
  return new Promise((resolve, reject) => {
    const sends = method !== 'GET' && method !== 'HEAD';
    const length = sends ? { 'content-length': String(body.byteLength) } : {};
    const outgoing = request(web.url, {
      method,
      path,
      headers: { ...headers, ...key.headers, ...length },
      timeout: 5000,
    });
    outgoing.once('timeout', () => outgoing.destroy(new Error(`${method} ${path} was not answered`)));
    outgoing.once('error', reject);
    outgoing.once('response', (incoming) => {
      const sent = { status: incoming.statusCode ?? 0, type: String(incoming.headers['content-type'] ?? '') };
      if (sent.type === 'text/event-stream') {
        outgoing.destroy();
        resolve({ ...sent, body: '' });
      } else text(incoming).then((received) => resolve({ ...sent, body: received }), reject);
    });
    outgoing.end(sends ? body : undefined);
  });
}

/** Neither a defect of ours nor a body without the contract's form. */
function check({ method }: Request, { status, type, body }: Sent): void {
  expect(status).not.toBe(500);
  if (method === 'HEAD' || status < 400) return;
  expect(type).toMatch(/^application\/(problem\+)?json$/);
  const { code } = JSON.parse(body) as { code: keyof typeof errorStatus };
  expect(errorStatus[code]).toBe(status);
}

const visible = fc.string({
  unit: fc.constantFrom(...Array.from({ length: 94 }, (_, at) => String.fromCharCode(33 + at))),
  maxLength: 40,
});
const segment = fc.oneof(
  visible,
  fc.constantFrom('%00', '%ff', '%', '%2e%2e', '..', '.', '%zz', '%F0%9F%92%A9', '\\', ';', '*', ':token', '__proto__'),
);
const headerValue = fc.string({
  unit: fc.constantFrom(
    ...Array.from({ length: 95 }, (_, at) => String.fromCharCode(32 + at)),
    '\t',
    '\u00e9',
    '\u00ff',
  ),
  maxLength: 60,
});
const queryText = fc.oneof(
  visible.map((value) => value.replaceAll('#', '')),
  fc.webQueryParameters(),
  fc
    .array(
      fc.tuple(
        fc.constantFrom(
          'limit',
          'after',
          'before',
          'order',
          'state',
          'server',
          'since',
          'until',
          'q',
          'wait',
          'cmd',
          'sync',
          'timeout',
          'callback_url',
          'cmd[]',
          '__proto__',
          'constructor',
        ),
        fc.oneof(
          fc.constantFrom(
            '',
            '0',
            '1',
            '-1',
            'true',
            'asc',
            'desc',
            'queued',
            '%00',
            '%FF',
            '%25',
            '2020-01-01',
            '2020-01-01T00:00:00 00:00',
            '999999999999999',
            '1e9',
            'NaN',
          ),
          visible.map(encodeURIComponent),
        ),
      ),
      { maxLength: 4 },
    )
    .map((pairs) => pairs.map(([name, value]) => `${name}=${value.replaceAll(' ', '+')}`).join('&')),
);
const body = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.json().map((value) => new TextEncoder().encode(value)),
  fc
    .record(
      {
        cmd: fc.anything(),
        sync: fc.anything(),
        timeout: fc.anything(),
        server: fc.anything(),
        callback_url: fc.anything(),
      },
      { requiredKeys: [] },
    )
    .map((value) =>
      new TextEncoder().encode(
        JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? String(part) : part)) ?? '',
      ),
    ),
  fc.string({ unit: 'binary', maxLength: 100 }).map((value) => new TextEncoder().encode(`cmd=${encodeURI(value)}`)),
  visible.map((value) =>
    new TextEncoder().encode(`--b\r\nContent-Disposition: form-data; name="cmd"\r\n\r\n${value}\r\n--b--`),
  ),
);
const contentType = fc.constantFrom(
  'application/json',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=b',
  'multipart/form-data',
  'text/plain',
  '',
  ';',
  'application/json; charset=utf-16',
  'APPLICATION/JSON;CHARSET="utf-8"',
);
const headers = fc
  .record(
    {
      'content-type': contentType,
      accept: fc.oneof(headerValue, fc.constantFrom('application/problem+json', 'text/plain', '*/*;q=x', ',,;')),
      'idempotency-key': headerValue,
      'x-request-id': headerValue,
      'last-event-id': headerValue,
      'x-forwarded-for': headerValue,
      origin: headerValue,
      'sec-fetch-site': headerValue,
      cookie: headerValue,
    },
    { requiredKeys: [] },
  )
  .map((given) => Object.fromEntries(Object.entries(given).map(([name, value]) => [name, value.trim()])));
const method = fc.constantFrom('GET', 'POST', 'DELETE', 'PUT', 'PATCH', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND');

describe('whatever is sent', () => {
  test('to a path of the table is answered in the form of the contract', async () => {
    const patterns = [
      ...new Set(
        web.routes
          .filter(({ method, path }) => method !== 'ALL' && !path.startsWith('/console'))
          .map(({ path }) => path),
      ),
    ];
    await fc.assert(
      fc.asyncProperty(
        method,
        fc.constantFrom(...patterns),
        segment,
        fc.boolean(),
        queryText,
        headers,
        body,
        async (verb, pattern, part, real, query, given, sent) => {
          const path = `${pattern.replace(':token', real ? token : part)}?${query}`;
          if (!/^[\x21-\x7E]+$/.test(path)) return;
          const asked = { method: verb, path, headers: given, body: sent };
          check(asked, await send(asked));
        },
      ),
      { numRuns: 600 },
    );
  });

  test('to any other path, too', async () => {
    await fc.assert(
      fc.asyncProperty(method, fc.array(segment, { maxLength: 5 }), headers, async (verb, parts, given) => {
        const asked = { method: verb, path: `/${parts.join('/')}`, headers: given, body: new Uint8Array() };
        check(asked, await send(asked));
      }),
      { numRuns: 300 },
    );
  });
});

describe('a connection that is up to no good', () => {
  const port = () => Number(new URL(web.url).port);
  const credentials = () => `Api-Key: ${key.apiKey}\r\nApi-Secret: ${key.apiSecret}\r\n`;
  const answer = async (raw: string): Promise<string> => {
    const socket = connect(port(), '127.0.0.1');
    socket.write(raw);
    return await text(socket);
  };

  test('smuggles nothing: two lengths, a length beside chunks, a header folded or with a bare newline', async () => {
    const post = `POST /commands HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${credentials()}Content-Type: application/x-www-form-urlencoded\r\n`;
    const hidden = 'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n';
    for (const raw of [
      `${post}Content-Length: 3\r\nContent-Length: 30\r\n\r\n${hidden}`,
      `${post}Content-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
      `${post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${hidden}`,
      `${post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${hidden}`,
      `${post}Content-Length: +3\r\n\r\na=b${hidden}`,
      `${post}X: a\n b\r\nContent-Length: 0\r\n\r\n${hidden}`,
    ]) {
      const received = await answer(raw);
      expect(received).toMatch(/^HTTP\/1\.1 400 /);
      expect(received).not.toContain('"version"');
    }
  });

  test('that sends its headers slowly is ended, and two thousand that send nothing keep nobody else out', async () => {
    const sockets: Socket[] = [];
    const wanted = 2000;
    for (let at = 0; at < wanted; at++) {
      const socket = connect(port(), '127.0.0.1');
      socket.on('error', () => undefined);
      sockets.push(socket);
      if (at % 200 === 0) await once(socket, 'connect');
    }
    sockets.at(-1)?.write('GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ');
    const from = performance.now();
    expect((await fetch(`${web.url}/commands?limit=1`, { headers: key.headers })).status).toBe(200);
    expect(performance.now() - from).toBeLessThan(1000);
    const last = sockets.at(-1);
    if (last) expect(await text(last)).toMatch(/^HTTP\/1\.1 408 /);
    expect(performance.now() - from).toBeLessThan(16_000);
    for (const socket of sockets) socket.destroy();
  });
});
