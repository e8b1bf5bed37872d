import { request as httpRequest } from 'node:http';
import { beforeAll, describe, expect, test } from 'vitest';
import { sameOrigin } from '../../../handlers/middleware/same-origin.ts';
import { serveBehind } from './server.ts';

let direct: string;
let proxied: string;

beforeAll(async () => {
  const serveWith = (trustedProxies: number) =>
    serveBehind(sameOrigin({ trustedProxies }), (app) => app.all('*', (context) => context.text('passed')));
  direct = await serveWith(0);
  proxied = await serveWith(1);
});

/** `fetch` sends neither Host nor Origin nor Sec-Fetch-Site as it is told. */
function send(
  to: string,
  { method = 'POST', path = '/commands', ...headers }: Record<string, string>,
): Promise<{ status: number; body: string }> {
  const { hostname, port } = new URL(to);
  return new Promise((resolve, reject) => {
    const request = httpRequest({ hostname, port, method, path, headers }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    request.once('error', reject);
    request.end();
  });
}

const own = { host: 'api.test:3000' };

describe('a request that changes something', () => {
  test.each<[string, Record<string, string>, number]>([
    ['from a program', {}, 200],
    ['from the address line', { 'sec-fetch-site': 'none' }, 200],
    ['from a page of ours', { 'sec-fetch-site': 'same-origin', origin: 'http://api.test:3000' }, 200],
    ['from a page of ours, in an old browser', { origin: 'http://api.test:3000' }, 200],
    ['from a page of ours, written in capitals', { origin: 'HTTP://API.TEST:3000' }, 200],
    ['from another site', { 'sec-fetch-site': 'cross-site' }, 403],
    ['from another site, which names us', { 'sec-fetch-site': 'cross-site', origin: 'http://api.test:3000' }, 403],
    ['from another host of our site', { 'sec-fetch-site': 'same-site' }, 403],
    ['with a word that does not exist', { 'sec-fetch-site': 'whatever' }, 403],
    ['from another site, in an old browser', { origin: 'http://evil.test' }, 403],
    ['from another port', { origin: 'http://api.test:3001' }, 403],
    ['from another scheme', { origin: 'https://api.test:3000' }, 403],
    ['from a host whose name begins with ours', { origin: 'http://api.test:3000.evil.test' }, 403],
    ['from a sandbox', { origin: 'null' }, 403],
    ['from what is no origin', { origin: 'api.test:3000' }, 403],
    ['with an empty origin', { origin: '' }, 403],
    ['with an untrusted word on where we are', { origin: 'http://evil.test', 'x-forwarded-host': 'evil.test' }, 403],
  ])('%s', async (_, headers, status) => {
    const answer = await send(direct, { ...own, ...headers });
    expect(answer.status).toBe(status);
    if (status === 403) expect(JSON.parse(answer.body)).toMatchObject({ status: 'error', code: 'cross_site' });
  });

  test.each([
    ['POST', '/commands', 403],
    ['DELETE', `/commands/${'a'.repeat(64)}`, 403],
    ['PUT', '/commands', 403],
    ['POST', '/unknown', 403],
    ['GET', `/commands/${'a'.repeat(64)}/retry`, 403],
    ['GET', '/commands/%61/%72etry?x=1', 403],
    ['GET', '/commands', 200],
    ['GET', `/commands/${'a'.repeat(64)}`, 200],
    ['GET', '/commands/retry', 200],
    ['HEAD', '/commands', 200],
    ['OPTIONS', '/commands', 200],
  ])('from another site, %s %s', async (method, path, status) => {
    expect((await send(direct, { ...own, method, path, 'sec-fetch-site': 'cross-site' })).status).toBe(status);
  });
});

describe('behind a trusted proxy', () => {
  const through = { host: 'inside:5000', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'api.test' };

  test.each<[string, Record<string, string>, number]>([
    ['our origin is what the proxy says', { ...through, origin: 'https://api.test' }, 200],
    ['with its default port written out', { ...through, origin: 'https://api.test:443' }, 200],
    ['and not what it has inside', { ...through, origin: 'http://inside:5000' }, 403],
    ['nor the other scheme', { ...through, origin: 'http://api.test' }, 403],
    [
      'a proxy that keeps Host needs not say it again',
      { host: 'api.test', 'x-forwarded-proto': 'https', origin: 'https://api.test' },
      200,
    ],
    [
      "what stands before the word of the proxy is the client's own",
      { ...through, 'x-forwarded-host': 'evil.test, api.test', origin: 'https://evil.test' },
      403,
    ],
  ])('%s', async (_, headers, status) => {
    expect((await send(proxied, headers)).status).toBe(status);
  });
});
