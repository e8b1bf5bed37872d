import { EventEmitter, once } from 'node:events';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { parseAllowList } from '../../lib/callback-address.ts';
import { type CallbackClientOptions, createCallbackClient } from '../../lib/callback-request.ts';
import { type Canary, startCanary } from '../support/canary.ts';
import { faults, type ReceiverOptions, startReceiver } from '../support/receiver.ts';

const body = '{"id":1}';
const headers = { 'content-type': 'application/json', 'webhook-id': 'msg_1' };
const endings: (() => Promise<void>)[] = [];

afterEach(async () => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
  for (const end of endings.splice(0).reverse()) await end();
});

async function receive(options?: ReceiverOptions) {
  const receiver = await startReceiver(options);
  endings.push(receiver.stop);
  return receiver;
}

async function watch(port?: number): Promise<Canary> {
  const canary = await startCanary(port);
  endings.push(canary.stop);
  return canary;
}

/** A receiver on 127.0.0.2, and a canary on the same port of 127.0.0.1, which somebody else may have just then. */
async function receiveBesideCanary() {
  for (let tries = 1; ; tries++) {
    const receiver = await receive({ host: '127.0.0.2' });
    try {
      return { receiver, canary: await watch(receiver.port) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || tries === 20) throw error;
    }
  }
}

/** A client that may speak to `allow`, and whose names resolve to `addresses`, a call a list, the last one for ever. */
function callFrom(allow: string, options: Partial<CallbackClientOptions> = {}, addresses: string[][] = []) {
  const resolved: string[] = [];
  const resolveHost = async (hostname: string) => {
    resolved.push(hostname);
    return addresses[Math.min(resolved.length, addresses.length) - 1] ?? [];
  };
  const client = createCallbackClient({ allowList: parseAllowList(allow), resolveHost, ...options });
  endings.push(client.close);
  return { post: (url: string) => client.post({ url, headers, body }), close: client.close, resolved };
}

describe('what is answered', () => {
  test('the request arrives as it was given, and a 2xx is an answer without error', async () => {
    const receiver = await receive();
    receiver.answerWith(204);
    const { post } = callFrom('127.0.0.1');
    const answer = await post(`${receiver.url}/hook?a=b#fragment`);
    expect(answer).toEqual({ status: 204, error: null, durationMs: expect.any(Number), retryAfterSeconds: null });
    expect(receiver.requests).toMatchObject([{ method: 'POST', path: '/hook?a=b', body, headers }]);
    expect(receiver.requests[0]?.headers).toMatchObject({ host: `127.0.0.1:${receiver.port}`, 'content-length': '8' });
  });

  test.each([200, 299, 304, 400, 410, 429, 500, 503])('status %d is passed on', async (status) => {
    const receiver = await receive();
    receiver.answerWith(status);
    const answer = await callFrom('127.0.0.1').post(receiver.url);
    expect(answer).toMatchObject({ status, error: status === 304 ? 'redirected' : null });
  });

  test.each([301, 302, 303, 307, 308])('a %d is not followed', async (status) => {
    const canary = await watch();
    const receiver = await receive();
    receiver.answerWith(faults.redirectTo(`http://127.0.0.1:${canary.port}/`, status));
    expect(await callFrom('127.0.0.1').post(receiver.url)).toMatchObject({ status, error: 'redirected' });
    expect([receiver.requests.length, canary.connections]).toEqual([1, 0]);
  });

  test('Retry-After is read as seconds or as a date', async () => {
    const receiver = await receive();
    const now = Date.parse('2026-01-02T03:04:05Z');
    const { post } = callFrom('127.0.0.1', { now: () => now });
    const ask = async (retryAfter: string, date?: string) => {
      receiver.answerWith({ status: 429, headers: { 'retry-after': retryAfter, ...(date && { date }) } });
      return (await post(receiver.url)).retryAfterSeconds;
    };
    expect(await ask('120')).toBe(120);
    expect(await ask('0')).toBe(0);
    // The receiver's own clock, an hour ahead here, is the one that its date was made by.
    expect(await ask('Fri, 02 Jan 2026 04:05:05 GMT', 'Fri, 02 Jan 2026 04:04:05 GMT')).toBe(60);
    expect(await ask('Fri, 02 Jan 2026 03:04:35 GMT', 'not a date')).toBe(30);
    expect(await ask('Thu, 01 Jan 2026 00:00:00 GMT', 'not a date')).toBe(0);
    for (const nonsense of ['soon', '-5', '1.5', '1e3', '99999999999', '2027-01-01', '']) {
      expect([nonsense, await ask(nonsense)]).toEqual([nonsense, null]);
    }
  });
});

describe('bounds', () => {
  test.each([
    ['a head that drips', faults.slowHead(), { status: null, error: 'timeout' }],
    ['no answer', faults.noAnswer(), { status: null, error: 'timeout' }],
    ['a body that drips, after a 2xx', faults.slowBody(), { status: 200, error: null }],
    ['a body that drips, after a 5xx', faults.slowBody({ status: 500 }), { status: 500, error: null }],
  ])('%s is cut off when the attempt has lasted long enough', async (_name, fault, expected) => {
    const receiver = await receive();
    receiver.answerWith(fault);
    const answer = await callFrom('127.0.0.1', { attemptTimeoutMs: 300 }).post(receiver.url);
    expect(answer).toMatchObject(expected);
    expect(answer.durationMs).toBeGreaterThanOrEqual(295);
    expect(answer.durationMs).toBeLessThan(2000);
    await vi.waitFor(() => expect(receiver.openConnections).toBe(0));
  });

  test.each([200, 503])('an endless body is dropped behind its first 64 KiB, and %d still counts', async (status) => {
    const receiver = await receive();
    receiver.answerWith(faults.endlessBody(status));
    const answer = await callFrom('127.0.0.1').post(receiver.url);
    expect(answer).toMatchObject({ status, error: null });
    expect(answer.durationMs).toBeLessThan(5000);
    await vi.waitFor(() => expect(receiver.openConnections).toBe(0));
  });

  test('the connection is kept behind 64 KiB of body, and dropped where a byte more is announced', async () => {
    const receiver = await receive();
    const { post } = callFrom('127.0.0.1');
    const connectionsFor = async (bytes: number) => {
      receiver.answerWith({ status: 200, body: 'x'.repeat(bytes) });
      const before = receiver.connections;
      for (let call = 0; call < 10; call += 1) expect(await post(receiver.url)).toMatchObject({ status: 200 });
      return receiver.connections - before;
    };
    expect(await connectionsFor(65_536)).toBeLessThan(5);
    expect(await connectionsFor(65_537)).toBeGreaterThan(5);
  });

  test('a body cut off in the middle changes nothing about its status', async () => {
    const receiver = await receive();
    receiver.answerWith(faults.closeInBody(201));
    expect(await callFrom('127.0.0.1').post(receiver.url)).toMatchObject({ status: 201, error: null });
  });

  test('a name whose resolution hangs is given up', async () => {
    const { post } = callFrom('', { connectTimeoutMs: 200, resolveHost: () => new Promise(() => undefined) });
    const answer = await post('http://receiver.example/');
    expect(answer).toMatchObject({ status: null, error: 'connect_timeout' });
    expect(answer.durationMs).toBeLessThan(1500);
  });

  test('an attempt shorter than the time for connecting ends when it says', async () => {
    const { post } = callFrom('', { attemptTimeoutMs: 200, resolveHost: () => new Promise(() => undefined) });
    const answer = await post('http://receiver.example/');
    expect(['timeout', 'connect_timeout']).toContain(answer.error);
    expect(answer.durationMs).toBeLessThan(1500);
  });

  test('a TLS handshake that is never answered is given up, and its connection closed', async () => {
    const canary = await watch();
    const answer = await callFrom('127.0.0.1', { connectTimeoutMs: 200 }).post(`https://127.0.0.1:${canary.port}/`);
    expect(answer).toMatchObject({ status: null, error: 'connect_timeout' });
    await vi.waitFor(() => expect(canary.openConnections).toBe(0));
  });
});

describe('failures have stable words', () => {
  test.each([
    ['connection_closed', faults.closeWithoutAnswer()],
    ['invalid_answer', faults.garbage()],
    ['invalid_answer', { status: 200, headers: { 'x-long': 'x'.repeat(20_000) } }],
  ])('%s', async (error, fault) => {
    const receiver = await receive();
    receiver.answerWith(fault);
    expect(await callFrom('127.0.0.1').post(receiver.url)).toMatchObject({ status: null, error });
  });

  test('connection_refused, by one address and by several', async () => {
    const receiver = await receive();
    await receiver.stop();
    const { post } = callFrom('127.0.0.0/8', {}, [['127.0.0.1', '127.0.0.2']]);
    expect(await post(receiver.url)).toMatchObject({ status: null, error: 'connection_refused' });
    expect(await post(`http://receiver.example:${receiver.port}/`)).toMatchObject({ error: 'connection_refused' });
  });

  test('name_not_resolved, by an error, by no address, and by the system for a name that cannot be', async () => {
    const failing = { resolveHost: () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' })) };
    const failed = await callFrom('', failing).post('http://receiver.example/');
    expect(failed).toMatchObject({ status: null, error: 'name_not_resolved' });
    expect(await callFrom('', {}, [[]]).post('http://receiver.example/')).toMatchObject({ error: 'name_not_resolved' });
    const system = createCallbackClient({ allowList: parseAllowList('') });
    endings.push(system.close);
    // Longer than a label may be, so that no server is asked.
    const url = `http://${'x'.repeat(64)}.example/`;
    expect(await system.post({ url, headers, body })).toMatchObject({ error: 'name_not_resolved' });
  });

  test('invalid_url and address_not_allowed for a stored URL that would no longer be taken', async () => {
    const { post } = callFrom('');
    expect(await post('ftp://receiver.example/')).toMatchObject({ status: null, error: 'invalid_url' });
    expect(await post('http://localhost/')).toMatchObject({ status: null, error: 'address_not_allowed' });
  });

  test('a fault of our own is thrown, not recorded as the receiver’s', async () => {
    const receiver = await receive();
    const client = createCallbackClient({ allowList: parseAllowList('127.0.0.1') });
    endings.push(client.close);
    const faulty = client.post({ url: receiver.url, headers: { 'x-bad': 'a\r\nb: c' }, body });
    await expect(faulty).rejects.toThrow('by a fault of our own');
    expect(receiver.requests).toEqual([]);
  });
});

describe('TLS', () => {
  test('a certificate that is not trusted is tls_error, whatever the environment says', async () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    const receiver = await receive({ tls: {} });
    expect(await callFrom('127.0.0.1').post(receiver.url)).toMatchObject({ status: null, error: 'tls_error' });
    expect(receiver.requests).toEqual([]);
    await vi.waitFor(() => expect(receiver.openConnections).toBe(0));
  });

  test('a trusted certificate for the name or the address is taken, for another name it is tls_error', async () => {
    const receiver = await receive({ tls: { names: ['receiver.example'] } });
    const { port, certificate = '' } = receiver;
    const { post } = callFrom('127.0.0.1', { certificateAuthority: certificate }, [['127.0.0.1']]);
    for (const host of ['127.0.0.1', 'receiver.example', 'receiver.example.']) {
      expect([host, await post(`https://${host}:${port}/`)]).toMatchObject([host, { status: 200, error: null }]);
    }
    expect(await post(`https://other.example:${port}/`)).toMatchObject({ status: null, error: 'tls_error' });
    expect(receiver.requests.map(({ servername }) => servername)).toEqual([
      false,
      'receiver.example',
      'receiver.example',
    ]);
  });

  test('a server that does not speak TLS is tls_error', async () => {
    const receiver = await receive();
    const answer = await callFrom('127.0.0.1').post(receiver.url.replace('http:', 'https:'));
    expect(answer).toMatchObject({ status: null, error: 'tls_error' });
  });
});

describe('addresses that are not allowed see no connection', () => {
  test('but the canary sees one that is allowed', async () => {
    const canary = await watch();
    const { post } = callFrom('127.0.0.1', { attemptTimeoutMs: 300 });
    expect(await post(`http://127.0.0.1:${canary.port}/`)).toMatchObject({ error: 'timeout' });
    expect(canary.connections).toBe(1);
    expect(canary.bytes).toBeGreaterThan(0);
  });

  test.each([
    '127.0.0.1',
    '2130706433',
    '0x7f000001',
    '0177.0.0.1',
    '127.1',
    '127.0.0.1.',
    '%31%32%37.0.0.1',
    '127。0。0。1',
    '0',
    '0.0.0.0',
    '[::]',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[::127.0.0.1]',
    '[::ffff:0:0]',
    'localhost',
    'localhost.',
    'a.localhost',
  ])('%s, over http and https', async (host) => {
    const canary = await watch();
    const client = createCallbackClient({ allowList: parseAllowList('') });
    endings.push(client.close);
    for (const scheme of ['http', 'https']) {
      const answer = await client.post({ url: `${scheme}://${host}:${canary.port}/`, headers, body });
      expect(answer).toMatchObject({ status: null, error: 'address_not_allowed' });
    }
    expect(canary.connections).toBe(0);
  });

  test.each(['127.0.0.1', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1', '0.0.0.0', '::', '::1%lo', '::127.0.0.1'])(
    'a name that resolves to %s',
    async (address) => {
      const canary = await watch();
      const { post, resolved } = callFrom('', {}, [[address]]);
      for (const scheme of ['http', 'https']) {
        const answer = await post(`${scheme}://receiver.example:${canary.port}/`);
        expect(answer).toMatchObject({ status: null, error: 'address_not_allowed' });
      }
      expect([canary.connections, resolved.length]).toEqual([0, 2]);
    },
  );

  test('the system’s own answers', async () => {
    const receiver = await receive();
    const url = `http://localhost:${receiver.port}/`;
    const post = (allow: string) => {
      const client = createCallbackClient({ allowList: parseAllowList(allow) });
      endings.push(client.close);
      return client.post({ url, headers, body });
    };
    expect(await post('localhost')).toMatchObject({ status: 200, error: null });
    // The list lets the URL pass, but what listens is on the other loopback address.
    expect((await post('::1')).status).toBeNull();
    expect(receiver.connections).toBe(1);
  });

  test('rebinding: each connection goes to the one answer that was checked for it', async () => {
    const { receiver, canary } = await receiveBesideCanary();
    const { post, resolved } = callFrom('127.0.0.2', {}, [['127.0.0.2'], ['127.0.0.1']]);
    const url = `http://receiver.example:${receiver.port}/`;
    expect(await post(url)).toMatchObject({ status: 200, error: null });
    // Asking a second time, between the check and the connection, would have led to the canary.
    expect([resolved.length, receiver.connections, canary.connections]).toEqual([1, 1, 0]);
  });

  test('a connection kept open stays with its address, and is too old after half a minute', async () => {
    const { receiver, canary } = await receiveBesideCanary();
    vi.useFakeTimers({ toFake: ['Date'] });
    const answers = [['127.0.0.2']];
    const { post } = callFrom('127.0.0.2', {}, answers);
    const url = `http://receiver.example:${receiver.port}/`;
    for (let call = 0; call < 10; call += 1) expect(await post(url)).toMatchObject({ status: 200 });
    expect(receiver.connections).toBeLessThan(5);
    answers[0] = ['127.0.0.1'];
    vi.setSystemTime(Date.now() + 31_000);
    expect(await post(url)).toMatchObject({ status: null, error: 'address_not_allowed' });
    expect([receiver.requests.length, canary.connections]).toEqual([10, 0]);
  });

  test.each([
    ['the forbidden one first', ['127.0.0.1', '::1', '127.0.0.2']],
    ['the forbidden one last', ['127.0.0.2', '::1', '127.0.0.1']],
  ])('mixed answers, %s: the allowed one is used', async (_name, addresses) => {
    const { receiver, canary } = await receiveBesideCanary();
    const { post } = callFrom('127.0.0.2', {}, [addresses]);
    expect(await post(`http://receiver.example:${receiver.port}/`)).toMatchObject({ status: 200, error: null });
    expect(canary.connections).toBe(0);
  });

  test('mixed answers whose allowed address refuses: no other is tried', async () => {
    const canary = await watch();
    const { post } = callFrom('127.0.0.2', {}, [['127.0.0.2', '127.0.0.1', '::1']]);
    const answer = await post(`http://receiver.example:${canary.port}/`);
    expect(answer).toMatchObject({ status: null, error: 'connection_refused' });
    expect(canary.connections).toBe(0);
  });

  test.each(['http', 'https'])('%s: where the socket ends elsewhere than asked, not a byte is sent', async (scheme) => {
    // Linux takes 0.0.0.0 for loopback: the address asked for is allowed, the address reached is not.
    const canary = await watch();
    const { post } = callFrom('0.0.0.0', {}, [['0.0.0.0']]);
    for (const host of ['0.0.0.0', 'receiver.example']) {
      const answer = await post(`${scheme}://${host}:${canary.port}/`);
      expect(answer).toMatchObject({ status: null, error: 'address_not_allowed' });
    }
    await vi.waitFor(() => expect([canary.connections, canary.openConnections]).toEqual([2, 0]));
    expect(canary.bytes).toBe(0);
  });

  test('a name in the list opens only what that name resolves to', async () => {
    const receiver = await receive();
    const { post } = callFrom('receiver.internal', {}, [['127.0.0.1']]);
    expect(await post(`http://receiver.internal:${receiver.port}/`)).toMatchObject({ status: 200, error: null });
    expect(await post(`http://other.internal:${receiver.port}/`)).toMatchObject({ error: 'address_not_allowed' });
    expect(await post(receiver.url)).toMatchObject({ error: 'address_not_allowed' });
    expect(receiver.connections).toBe(1);
  });

  test('a proxy in the environment', async () => {
    const canary = await watch();
    for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY']) {
      vi.stubEnv(name, `http://127.0.0.1:${canary.port}`);
      vi.stubEnv(name.toLowerCase(), `http://127.0.0.1:${canary.port}`);
    }
    vi.stubEnv('NODE_USE_ENV_PROXY', '1');
    const receiver = await receive();
    expect(await callFrom('127.0.0.1').post(receiver.url)).toMatchObject({ status: 200, error: null });
    expect(canary.connections).toBe(0);
  });
});

describe('connections', () => {
  test('are never shared between names', async () => {
    const receiver = await receive();
    const { post, resolved } = callFrom('127.0.0.1', {}, [['127.0.0.1']]);
    for (let call = 0; call < 10; call += 1) await post(`http://a.example:${receiver.port}/`);
    expect(resolved).not.toContain('b.example');
    const before = receiver.connections;
    await post(`http://b.example:${receiver.port}/`);
    expect([receiver.connections, resolved.at(-1)]).toEqual([before + 1, 'b.example']);
  });

  test('one slow receiver holds up no other', async () => {
    const [slow, quick] = [await receive(), await receive()];
    slow.answerWith(faults.noAnswer());
    const { post } = callFrom('127.0.0.1', { attemptTimeoutMs: 3000 });
    const ended: (string | null)[] = [];
    const waiting = Array.from({ length: 64 }, async () => ended.push((await post(slow.url)).error));
    await slow.waitForRequests(64);
    expect(await post(quick.url)).toMatchObject({ status: 200 });
    expect(ended).toEqual([]);
    await Promise.all(waiting);
    expect(ended).toEqual(Array(64).fill('timeout'));
  });

  test('close waits for the attempt under way, then ends the idle connections', async () => {
    const receiver = await receive();
    const gate = new EventEmitter();
    receiver.answerWith(() => once(gate, 'open').then(() => 200));
    const { post, close } = callFrom('127.0.0.1');
    const attempt = post(receiver.url);
    await receiver.waitForRequests(1);
    const closed = close();
    gate.emit('open');
    expect(await attempt).toMatchObject({ status: 200 });
    await closed;
    await vi.waitFor(() => expect(receiver.openConnections).toBe(0));
  });
});
