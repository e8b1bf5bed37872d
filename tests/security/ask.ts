import { type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { expect } from 'vitest';

export type Asking = { method?: string; headers?: OutgoingHttpHeaders; body?: string };
export type Answer = { status: number; headers: IncomingHttpHeaders; body: string };

let asked = 0;

/** Headers that make each request one of a client of its own, to processes that trust one proxy. */
export function anotherClient(): { 'X-Forwarded-For': string } {
  asked += 1;
  return { 'X-Forwarded-For': `10.${(asked >> 16) & 255}.${(asked >> 8) & 255}.${asked & 255}` };
}

/**
 * Sends a request as it is written here, which fetch would not, and checks what every answer tells browsers. Of a stream
 * of events only the beginning is awaited.
 */
export async function ask(url: string, { method = 'GET', headers = {}, body }: Asking = {}): Promise<Answer> {
  const length = body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) };
  const answer = await new Promise<Answer>((resolve, reject) => {
    const outgoing = request(url, { method, agent: false, headers: { ...length, ...anotherClient(), ...headers } });
    outgoing.once('error', reject);
    outgoing.once('response', (incoming) => {
      const head = { status: incoming.statusCode ?? 0, headers: incoming.headers };
      if (head.headers['content-type'] === 'text/event-stream') {
        incoming.on('error', () => undefined).destroy();
        resolve({ ...head, body: '' });
      } else text(incoming).then((received) => resolve({ ...head, body: received }), reject);
    });
    outgoing.end(body);
  });
  expectBrowserSafe(`${method} ${url}`, answer);
  return answer;
}

function expectBrowserSafe(what: string, { headers }: Answer): void {
  expect([what, headers]).toEqual([
    what,
    expect.objectContaining({
      'x-content-type-options': 'nosniff',
      'referrer-policy': expect.stringMatching(/^(no-referrer|same-origin)$/),
      'content-security-policy': expect.stringMatching(/default-src 'none'.*frame-ancestors 'none'/),
      'cross-origin-resource-policy': 'same-origin',
      'x-frame-options': 'DENY',
      'x-request-id': expect.any(String),
    }),
  ]);
  const policy = String(headers['content-security-policy']);
  expect([what, policy]).not.toEqual([what, expect.stringMatching(/unsafe|\*|https?:/)]);
  const namesOthers = Object.keys(headers).filter((name) => name.startsWith('access-control-'));
  expect([what, namesOthers]).toEqual([what, []]);
}
