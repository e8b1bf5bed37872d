import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, inject, test } from 'vitest';
import { processStart } from '../../lib/local/process-table.ts';
import { type RedisOptions, startRedis } from '../../lib/local/redis.ts';
import { findRedis } from '../../lib/local/redis-binary.ts';
import type { LocalServer } from '../../lib/local/server-process.ts';
import { waitFor } from '../support/process.ts';
import { startTestRedis } from '../support/redis.ts';
import { commandLines } from './process-list.ts';
import { newFolder, startedServer, startStarter } from './staged-project.ts';

const cache = inject('cacheFolder');

const running: LocalServer[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
});

async function start(options: Omit<RedisOptions, 'cache'>): Promise<LocalServer> {
  const server = await startRedis({ cache, ...options });
  running.push(server);
  return server;
}

async function using<T>(url: string, use: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 });
  const errors: Error[] = [];
  client.on('error', (error) => errors.push(error));
  try {
    await client.connect();
    return await use(client);
  } catch (error) {
    throw errors[0] ?? error;
  } finally {
    client.disconnect();
  }
}

describe('startRedis', () => {
  test('listens on loopback alone, wants the password, and never shows it', async () => {
    const server = await start({ folder: newFolder('redis') });
    const { password } = new URL(server.url);
    expect(await using(server.url, (client) => client.ping())).toBe('PONG');
    expect(commandLines()).not.toContain(password);
    await expect(using(server.url.replace(password, 'wrong'), (client) => client.ping())).rejects.toThrow('WRONGPASS');
    await expect(using(`redis://127.0.0.1:${server.port}`, (client) => client.ping())).rejects.toThrow('NOAUTH');
    const others = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    for (const { address } of others.filter((entry) => entry.family === 'IPv4' && !entry.internal)) {
      const elsewhere = server.url.replace('127.0.0.1', address);
      await expect(using(elsewhere, (client) => client.ping())).rejects.toThrow('ECONNREFUSED');
    }
    expect(await using(server.url, (client) => client.config('GET', 'bind'))).toEqual(['bind', '127.0.0.1']);
  });

  test('keeps its data over a stop, at the same URL on the same port', async () => {
    const folder = newFolder('redis');
    const first = await start({ folder });
    await using(first.url, (client) => client.set('kept', 'yes'));
    await first.stop();
    await first.stop();
    expect(await first.exited).toEqual({ code: 0, signal: null });

    const second = await start({ folder, port: first.port, settings: { maxmemory: '123mb' } });
    expect(second.url).toBe(first.url);
    expect(await using(second.url, (client) => client.get('kept'))).toBe('yes');
    expect(await using(second.url, (client) => client.config('GET', 'maxmemory'))).toEqual(['maxmemory', '128974848']);
  });

  test('a taken port, or a directive that Redis refuses, is one clear line', async () => {
    const folder = newFolder('redis');
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const port = (other.address() as { port: number }).port;
    await expect(start({ folder, port })).rejects.toThrow(
      `Redis cannot start: port ${port} of 127.0.0.1 is taken; free it or choose another`,
    );
    other.close();
    await expect(start({ folder, settings: { maxmemory: 'much' } })).rejects.toThrow(
      /^Redis ended at its start: .*memory value.* \(all of it: .*redis\.log\)$/,
    );
    await start({ folder });
  });

  test('a folder whose starter is alive is refused, and its server goes on', async () => {
    const folder = newFolder('redis');
    const first = await start({ folder });
    await expect(start({ folder })).rejects.toThrow(`is in use by process ${process.pid}: stop that one first`);
    expect(await using(first.url, (client) => client.ping())).toBe('PONG');
  });

  test('the server of a killed starter is ended in good order, and its data are there', async () => {
    const folder = newFolder('redis');
    const starter = startStarter({ start: 'startRedis', options: { folder } });
    const old = await startedServer(starter);
    starter.signal('SIGKILL');
    await starter.exit;
    await using(old.url, (client) => client.set('after', 'the kill'));

    const server = await start({ folder });
    expect(processStart(old.pid)).toBeNull();
    expect(await using(server.url, (client) => client.get('after'))).toBe('the kill');
  });

  test('after a kill of all, the next start recovers', async () => {
    const folder = newFolder('redis');
    const starter = startStarter({ start: 'startRedis', options: { folder } });
    const old = await startedServer(starter);
    await using(old.url, async (client) => {
      await client.set('saved', 'yes');
      await client.save();
    });
    process.kill(starter.pid, 'SIGKILL');
    process.kill(old.pid, 'SIGKILL');
    await starter.exit;

    const server = await start({ folder });
    expect(await using(server.url, (client) => client.get('saved'))).toBe('yes');
  });
});

describe('findRedis', () => {
  function newPath(programs: Record<string, string>): string {
    const folder = mkdtempSync(join(inject('runFolder'), 'path-'));
    for (const [name, script] of Object.entries(programs)) {
      writeFileSync(join(folder, name), script);
      chmodSync(join(folder, name), 0o755);
    }
    return folder;
  }

  test('takes a redis-server from PATH, else a valkey-server', async () => {
    const both = newPath({ 'valkey-server': '', 'redis-server': '' });
    const valkey = newPath({ 'valkey-server': '' });
    expect((await findRedis({ cache: '/nowhere', path: `${valkey}:${both}` })).command).toBe(
      join(both, 'redis-server'),
    );
    expect((await findRedis({ cache: '/nowhere', path: valkey })).command).toBe(join(valkey, 'valkey-server'));
  });

  test('without one, and without apt, it says how to install it', async () => {
    const folder = mkdtempSync(join(inject('runFolder'), 'cache-'));
    await expect(findRedis({ cache: folder, path: newPath({}) })).rejects.toThrow(
      /^Redis is not installed: install it with ".+", or set REDIS_URL to a Redis of your own$/,
    );
  });

  test('where apt fails, it says why, and leaves nothing behind', async () => {
    const folder = mkdtempSync(join(inject('runFolder'), 'cache-'));
    const path = newPath({
      'apt-get': '#!/bin/sh\necho "E: Unable to locate package redis-server" >&2\nexit 100\n',
      'dpkg-deb': '#!/bin/sh\nexit 1\n',
    });
    await expect(findRedis({ cache: folder, path })).rejects.toThrow(
      /^Redis is not installed and could not be downloaded \(E: Unable to locate package redis-server\): install it/,
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  const download = async () => {
    const cacheFolder = join(mkdtempSync(join(inject('runFolder'), 'a cache ')), 'cache');
    // A system without Redis, whether this one has it or not.
    const path = newPath({});
    for (const name of readdirSync('/usr/bin').filter((entry) => /^(apt|dpkg|gpg|tar|sh|sed|cat|rm)/.test(entry))) {
      symlinkSync(join('/usr/bin', name), join(path, name));
    }
    const steps: string[] = [];
    const options = { cache: cacheFolder, path, onProgress: (step: string) => steps.push(step) };
    const first = await findRedis(options);
    expect(steps[0]).toBe('Downloading Redis');
    expect(await findRedis(options)).toEqual(first);
    expect(steps.filter((step) => step === 'Downloading Redis')).toHaveLength(1);
    expect(readdirSync(cacheFolder)).toEqual(['redis']);
  };
  if (existsSync('/usr/bin/apt-get')) {
    test('downloads it on Debian and Ubuntu, once, below a 0700 folder', { timeout: 60_000 }, download);
  }
});

test('the Redis of a test file pauses, restarts empty at its URL, is flushed and killed', async () => {
  const redis = await startTestRedis();
  await using(redis.url, (client) => client.set('a', '1'));
  await redis.flush();
  expect(await using(redis.url, (client) => client.dbsize())).toBe(0);

  redis.pause();
  const impatient = new Redis(redis.url, { commandTimeout: 50 });
  const errors: Error[] = [];
  impatient.on('error', (error) => errors.push(error));
  await expect(impatient.ping()).rejects.toThrow('Command timed out');
  redis.resume();
  await waitFor(() => impatient.ping(), { describe: 'Redis to go on' });
  await impatient.set('b', '2');
  impatient.disconnect();

  const { pid } = redis;
  redis.pause();
  await redis.restart();
  expect(redis.pid).not.toBe(pid);
  expect(await using(redis.url, (client) => client.dbsize())).toBe(0);

  await redis.kill('SIGKILL');
  await expect(using(redis.url, (client) => client.ping())).rejects.toThrow('ECONNREFUSED');
  await redis.restart();
  expect(await using(redis.url, (client) => client.ping())).toBe('PONG');
});
