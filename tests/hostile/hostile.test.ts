/**
 * A web process under requests that mean it no good. None of them is answered by 500, or not in time, or in another form
 * than the document promises; none ends the process. FUZZ_RUNS sets how many of each kind are made.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAccept } from '../../db/accept.ts';
import { createCommands } from '../../db/commands.ts';
import type { ApiDocument } from '../../handlers/openapi/document.ts';
import { type ErrorCode, errorStatus } from '../../lib/errors.ts';
import { ApiDocumentCheck } from '../handlers/openapi/api-document.ts';
import { createInstallation, type Web } from '../support/installation.ts';
import { newCommand } from '../support/new-command.ts';
import { type Answer, send } from '../support/send.ts';
import { body, headers, query, segment, wound } from './arbitraries.ts';
import { countAnswers, exchange, firstAnswer } from './raw-requests.ts';

const runs = Number(process.env.FUZZ_RUNS ?? 250);
/** A minute for the runs of a normal test; more where more are asked for. */
const timeout = Math.max(60_000, runs * 100);

let web: Web;
let credentials: Record<string, string>;
let check: ApiDocumentCheck;
let token: string;

beforeAll(async () => {
  const installation = await createInstallation({ env: { SYNC_WAIT: '1', TRUSTED_PROXIES: '1' } });
  web = await installation.startWeb();
  const key = await installation.generateKey({ role: 'admin', rateLimit: 1_000_000 });
  credentials = { 'Api-Key': key.apiKey, 'Api-Secret': key.apiSecret };
  const document = await send(web.url, { path: '/openapi.json' });
  check = new ApiDocumentCheck(JSON.parse(document.body) as ApiDocument);
  const { row } = await createAccept(installation.database)(newCommand(), null);
  await createCommands(installation.database).cancel(row.id);
  ({ token } = row);
});

afterAll(() => {
  const defects = web.process.entries().filter(({ level }) => level === 'error' || level === 'fatal');
  expect(defects).toEqual([]);
});

/** Node's own refusal of 16 KiB of headers, which are then no request of ours. */
function isTooLong({ status, body: text }: Answer): boolean {
  return status === 431 && text === '';
}

/** An error in the contract's form. */
function expectError({ status, headers: { 'content-type': type }, body: text }: Answer): void {
  expect(type).toMatch(/^application\/(problem\+)?json$/);
  const { code, detail, request_id } = JSON.parse(text) as { code: ErrorCode; detail: string; request_id: string };
  expect([errorStatus[code], typeof detail, typeof request_id]).toEqual([status, 'string', 'string']);
}

describe('requests', { timeout }, () => {
  test('of every operation are answered as the document promises', async () => {
    const operations = check.operations.filter(({ isOpen }) => !isOpen);
    await fc.assert(
      fc.asyncProperty(
        ...[fc.constantFrom(...operations), fc.option(segment, { freq: 2 }), query, headers, body],
        async (operation, inPath, inQuery, given, sent) => {
          const path = operation.path.replace('{token}', inPath ?? token);
          // A part of a path that is empty, or that clients resolve, makes it another one.
          fc.pre(!/\/(\.|%2e){0,2}(\/|$)/i.test(path) && /^[\x21-\x7E]+$/.test(path) && !/[?#]/.test(path));
          const sending = operation.method === 'GET' ? {} : { body: sent };
          const answer = await send(web.url, {
            method: operation.method,
            path: `${path}?${inQuery}`,
            headers: { ...given, ...credentials },
            streams: 'head',
            timeout: 5000,
            ...sending,
          });
          if (isTooLong(answer)) return;
          check.expectPromised(operation, answer);
          expect(answer.status).not.toBe(500);
        },
      ),
      { numRuns: runs },
    );
  });

  test('to any path, by any method, with any credentials are answered in the form of the contract', async () => {
    const method = fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND');
    await fc.assert(
      fc.asyncProperty(
        ...[method, fc.array(segment, { maxLength: 5 }), query, headers, fc.boolean()],
        async (verb, parts, inQuery, given, isKnown) => {
          const path = `/${parts.join('/')}`.replaceAll(/[^\x21-\x7E]/g, '');
          const answer = await send(web.url, {
            method: verb,
            path: `${path}?${inQuery}`,
            headers: { ...given, ...(isKnown ? credentials : { Authorization: given.cookie ?? 'Basic' }) },
            streams: 'head',
            timeout: 5000,
          });
          expect(answer.status).not.toBe(500);
          if (isTooLong(answer)) return;
          if (answer.status >= 400 && verb !== 'HEAD' && !path.startsWith('/console')) expectError(answer);
        },
      ),
      { numRuns: runs },
    );
  });

  test('that are hardly HTTP any more are answered, or refused at once', async () => {
    const fields = { Host: 'a', Connection: 'close', ...{ 'Content-Type': 'application/x-www-form-urlencoded' } };
    const head = Object.entries({ ...fields, ...credentials }).map((pair) => pair.join(': '));
    const whole = [
      ['POST /commands?x=1 HTTP/1.1', ...head, 'Content-Length: 13', '', 'cmd=apps:list'],
      ['POST /commands HTTP/1.1', ...head, 'Transfer-Encoding: chunked', '', 'd', 'cmd=apps:list', '0', '', ''],
      [`GET /commands/${token} HTTP/1.1`, ...head, '', ''],
      ['GET /openapi.json HTTP/1.1', ...head, '', ''],
    ].map((lines) => Buffer.from(lines.join('\r\n')));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...whole),
        fc.array(wound, { minLength: 1, maxLength: 3 }),
        async (request, wounds) => {
          const bytes = wounds.reduce((hurt, { at, removed, bytes: inserted }) => {
            const from = Math.floor(at * hurt.length);
            return Buffer.concat([hurt.subarray(0, from), inserted, hurt.subarray(from + removed)]);
          }, request);
          const answer = firstAnswer(await exchange(web.url, bytes));
          if (answer === null) return;
          expect(answer.status).toBeLessThan(500);
          // What Node itself refuses, before it is a request, has no body at all.
          if (answer.status < 400 || answer.body === '') return;
          expect(errorStatus[(JSON.parse(answer.body) as { code: ErrorCode }).code]).toBe(answer.status);
        },
      ),
      { numRuns: runs },
    );
  });
});

describe('a request inside of another', () => {
  const hidden = 'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n';
  const post = () => {
    const fields = Object.entries({ Host: 'a', ...credentials }).map((pair) => pair.join(': '));
    return ['POST /commands HTTP/1.1', ...fields, 'Content-Type: text/plain', ''].join('\r\n');
  };
  test.each([
    ['a length beside chunks', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['chunks beside a length', 'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n'],
    ['two lengths', 'Content-Length: 0\r\nContent-Length: 38\r\n\r\n'],
    ['two lengths in one', 'Content-Length: 0, 38\r\n\r\n'],
    ['a length with a sign', 'Content-Length: +0\r\n\r\n'],
    ['a length in hexadecimal', 'Content-Length: 0x0\r\n\r\n'],
    ['a coding that is nearly chunked', 'Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n'],
    ['a coding after chunked', 'Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n'],
    ['chunked twice', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n'],
    ['a blank before the colon', 'Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n'],
    ['a folded header', 'X: a\r\n b\r\nContent-Length: 0\r\n\r\n'],
    ['a header with a bare newline', 'X: a\nContent-Length: 0\r\n\r\n'],
    ['a header with a bare return', 'X: a\rContent-Length: 0\r\n\r\n'],
    ['a header with a NUL', 'X: a\0b\r\nContent-Length: 0\r\n\r\n'],
    ['headers that end with bare newlines', 'Content-Length: 0\n\n'],
    ['a chunk’s size with a bare newline', 'Transfer-Encoding: chunked\r\n\r\n0\n\r\n'],
    ['a chunk that is longer than it says', 'Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n'],
  ])('is not seen: %s', async (_name, smuggling) => {
    const received = await exchange(web.url, `${post()}${smuggling}${hidden}`);
    expect(firstAnswer(received)?.status).toBe(400);
    expect(countAnswers(received)).toBe(1);
    expect(received).not.toContain('"version"');
  });
});

describe('connections', () => {
  const wanted = 10_000;

  /** How many files a process may have open. */
  function openFilesAtMost(pid: number | 'self'): number {
    const limits = readFileSync(`/proc/${pid}/limits`, 'utf8');
    const limit = /^Max open files +(\d+|unlimited)/m.exec(limits)?.[1];
    return limit === undefined || limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit);
  }

  test('that say nothing keep nobody else out', { timeout: 60_000 }, async ({ annotate }) => {
    const limit = Math.min(openFilesAtMost('self'), openFilesAtMost(web.process.pid));
    const count = Math.min(wanted, limit - 500);
    if (count < wanted)
      await annotate(`${count} connections: a process may have no more than ${limit} files open here`);
    const sockets: Socket[] = [];
    try {
      for (let at = 0; at < count; at++) {
        const socket = connect(Number(new URL(web.url).port), '127.0.0.1');
        // The server may end it at any time.
        socket.on('error', () => socket.destroy());
        sockets.push(socket);
        // So many wait to be taken at most; further ones would be dropped, and tried again after a second.
        if (at % 250 === 249) await once(socket, 'connect');
      }
      const asked = [
        { path: '/healthz' },
        { path: '/commands?limit=10', headers: credentials },
        { method: 'POST', path: '/commands?cmd=apps:list', headers: credentials },
      ];
      for (const sending of asked) {
        const from = performance.now();
        const { status } = await send(web.url, sending);
        expect([status < 300, performance.now() - from < 2000]).toEqual([true, true]);
      }
      expect(sockets.filter(({ readyState }) => readyState === 'open').length).toBeGreaterThan(count * 0.9);
    } finally {
      for (const socket of sockets) socket.destroy();
    }
    const { status } = await send(web.url, { path: '/healthz' });
    expect(status).toBe(200);
  });
});
