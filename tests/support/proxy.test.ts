import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { waitFor } from './process.ts';
import { startProxy, type TestProxy } from './proxy.ts';

/** A client's end of a connection: what it received, and how it ended. */
interface Client {
  socket: Socket;
  received(): string;
  ended(): string | null;
}

async function open(where: number | string): Promise<Client> {
  const socket = typeof where === 'number' ? connect(where, '127.0.0.1') : connect(where);
  socket.setEncoding('utf8');
  let received = '';
  let ended: string | null = null;
  socket.on('data', (text) => {
    received += text;
  });
  socket.once('end', () => {
    ended ??= 'end';
  });
  socket.on('error', (error) => {
    ended = (error as NodeJS.ErrnoException).code ?? '';
  });
  await once(socket, 'connect');
  return { socket, received: () => received, ended: () => ended };
}

async function receives(client: Client, text: string): Promise<void> {
  await waitFor(() => client.received().length >= text.length, { describe: `${text.length} characters` });
  expect(client.received()).toBe(text);
}

describe('in front of a server that echoes', () => {
  const sockets = new Set<Socket>();
  let heard = '';
  let resets = 0;
  let echo: Server;
  let proxy: TestProxy;

  beforeAll(async () => {
    echo = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      socket.on('error', (error) => {
        if ((error as NodeJS.ErrnoException).code === 'ECONNRESET') resets += 1;
      });
      socket.on('data', (chunk) => {
        heard += chunk;
        socket.write(chunk);
      });
      socket.on('end', () => socket.end('bye'));
    });
    echo.listen(0, '127.0.0.1');
    await once(echo, 'listening');
    proxy = await startProxy({ target: (echo.address() as { port: number }).port });
  });
  afterEach(async () => {
    proxy.resume();
    proxy.cut();
    await proxy.allow();
    await waitFor(() => proxy.connections === 0 && sockets.size === 0, { describe: 'no connections' });
    heard = '';
    resets = 0;
  });
  afterAll(() => {
    echo.close();
  });

  /** Long enough for a byte to come through a proxy that does not keep it: several ways to the server and back. */
  async function roundTrips(): Promise<void> {
    const before = heard;
    const direct = await open((echo.address() as { port: number }).port);
    for (let count = 1; count <= 20; count++) {
      direct.socket.write('.');
      await receives(direct, '.'.repeat(count));
    }
    direct.socket.destroy();
    heard = heard.replace('.'.repeat(20), '');
    expect(heard).toBe(before);
  }

  test('passes bytes both ways, and the end of one way alone', async () => {
    const client = await open(proxy.port);
    client.socket.write('hello ');
    await receives(client, 'hello ');
    expect(proxy.connections).toBe(1);
    client.socket.end();
    await receives(client, 'hello bye');
    await waitFor(() => client.ended() === 'end' && proxy.connections === 0, { describe: 'the end' });
  });

  test('large data come through whole, and in order', async () => {
    const text = Array.from({ length: 300_000 }, (_, index) => `${index};`).join('');
    const client = await open(proxy.port);
    client.socket.write(text);
    await waitFor(() => client.received().length >= text.length, { describe: 'all of it' });
    expect(client.received() === text).toBe(true);
  });

  test('cut ends connections at once, with a reset, and takes new ones', async () => {
    const client = await open(proxy.port);
    client.socket.write('a');
    await receives(client, 'a');
    proxy.cut();
    expect(await waitFor(() => client.ended(), { describe: 'the cut' })).toBe('ECONNRESET');
    await waitFor(() => resets === 1, { describe: 'the reset at the server' });
    const next = await open(proxy.port);
    next.socket.write('b');
    await receives(next, 'b');
  });

  test('hold keeps everything back, ends too, and loses nothing', async () => {
    const client = await open(proxy.port);
    client.socket.write('a');
    await receives(client, 'a');
    proxy.hold();
    client.socket.end('b');
    await roundTrips();
    expect(heard).toBe('a');
    proxy.resume();
    await receives(client, 'abbye');
  });

  test('drop swallows everything while connections stay open; what lost bytes stays silent', async () => {
    const lost = await open(proxy.port);
    const spared = await open(proxy.port);
    lost.socket.write('a');
    await receives(lost, 'a');
    proxy.drop();
    lost.socket.write('b');
    for (const socket of sockets) socket.write('from the server');
    await roundTrips();
    expect(heard).toBe('a');
    expect(lost.received() + spared.received()).toBe('a');
    expect([lost.ended(), spared.ended(), proxy.connections]).toEqual([null, null, 2]);

    proxy.resume();
    lost.socket.end('c');
    const next = await open(proxy.port);
    next.socket.write('d');
    await receives(next, 'd');
    expect(heard).toBe('ad');
    expect(lost.ended()).toBeNull();
    proxy.cut();
    await waitFor(() => lost.ended(), { describe: 'the cut' });
  });

  test('refuse takes no new connection and keeps the open ones, until allow', async () => {
    const client = await open(proxy.port);
    proxy.refuse();
    await expect(open(proxy.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    client.socket.write('a');
    await receives(client, 'a');
    await proxy.allow();
    const next = await open(proxy.port);
    next.socket.write('b');
    await receives(next, 'b');
  });

  test('delay makes each chunk late, in order', async () => {
    const client = await open(proxy.port);
    proxy.delay = 40;
    const begin = performance.now();
    client.socket.write('a');
    await receives(client, 'a');
    expect(performance.now() - begin).toBeGreaterThanOrEqual(79);
    proxy.delay = 0;
  });

  test('onData can swallow, cut, or pass on and cut; and waits for a verdict', async () => {
    const seen: string[] = [];
    const off = proxy.onData('toTarget', async (chunk, { id }) => {
      const text = chunk.toString();
      seen.push(`${id > 0} ${text}`);
      if (text === 'later') await waitFor(() => heard === 'first', { describe: 'the first' });
      if (text === 'swallowed') return 'swallow';
      if (text === 'cut') return 'cut';
      if (text === 'passed on') return 'forward-and-cut';
      return undefined;
    });
    const [one, two, three, four] = await Promise.all([1, 2, 3, 4].map(() => open(proxy.port)));
    if (!one || !two || !three || !four) throw new Error('not connected');
    one.socket.write('swallowed');
    two.socket.write('cut');
    await waitFor(() => two.ended() === 'ECONNRESET', { describe: 'the cut' });
    three.socket.write('later');
    await waitFor(() => seen.includes('true later'), { describe: 'the chunk to be seen' });
    four.socket.write('first');
    await receives(three, 'later');
    four.socket.write('passed on');
    await waitFor(() => four.ended() === 'ECONNRESET', { describe: 'the cut behind the bytes' });
    await waitFor(() => heard.endsWith('passed on'), { describe: 'the bytes before the cut' });
    expect(heard).toBe('firstlaterpassed on');
    expect([one.received(), one.ended()]).toEqual(['', null]);
    off();
    three.socket.write('cut');
    await receives(three, 'latercut');
  });

  test('a target that refuses is a reset for the client', async () => {
    const nobody = await startProxy({ target: 1 });
    const client = await open(nobody.port);
    await waitFor(() => client.ended() === 'ECONNRESET', { describe: 'the reset' });
    await nobody.stop();
  });

  test('a Unix socket can be the target, and the place', async () => {
    const inner = join(inject('runFolder'), 'inner.sock');
    const outer = join(inject('runFolder'), 'outer.sock');
    const first = await startProxy({ target: (echo.address() as { port: number }).port, socketPath: inner });
    const second = await startProxy({ target: inner, socketPath: outer });
    const client = await open(outer);
    client.socket.write('a');
    await receives(client, 'a');
    second.refuse();
    await expect(open(outer)).rejects.toMatchObject({ code: 'ENOENT' });
    second.cut();
    await waitFor(() => client.ended() === 'end', { describe: 'the end of the stream' });
    await second.allow();
    const next = await open(outer);
    next.socket.write('b');
    await receives(next, 'b');
    await second.stop();
    await first.stop();
    await expect(open(inner)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
