import { Redis } from 'ioredis';
import pg from 'pg';
import { expect, test } from 'vitest';
import { createDatabase } from './database.ts';
import { waitFor } from './process.ts';
import { startProxy } from './proxy.ts';
import { query } from './query.ts';
import { startTestRedis } from './redis.ts';

test('a COMMIT that was done, and whose answer is lost', async () => {
  const database = await createDatabase();
  const proxy = await startProxy({ target: database.url });
  const client = new pg.Client(proxy.url(database.url));
  const errors: Error[] = [];
  client.on('error', (error) => errors.push(error));
  await client.connect();
  await client.query('CREATE TABLE done (n integer)');

  let committing = false;
  proxy.onData('toTarget', (chunk) => {
    committing ||= chunk.includes('COMMIT');
    return 'forward';
  });
  proxy.onData('toClient', () => (committing ? 'cut' : 'forward'));
  await client.query('BEGIN');
  await client.query('INSERT INTO done VALUES (1)');
  expect(await query(database.url, 'SELECT n FROM done')).toEqual([]);
  await expect(client.query('COMMIT')).rejects.toThrow();
  expect(await query(database.url, 'SELECT n FROM done')).toEqual([{ n: 1 }]);
  expect(errors).not.toEqual([]);
});

test('Redis by way of a proxy that is cut', async () => {
  const redis = await startTestRedis();
  const proxy = await startProxy({ target: redis.url });
  const client = new Redis(proxy.url(redis.url), { retryStrategy: () => 10 });
  const errors: Error[] = [];
  client.on('error', (error) => errors.push(error));
  expect(await client.ping()).toBe('PONG');
  proxy.cut();
  await waitFor(() => errors[0], { describe: 'the cut' });
  expect(await client.ping()).toBe('PONG');
  client.disconnect();
});
