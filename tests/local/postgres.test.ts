import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { type PostgresOptions, startPostgres } from '../../lib/local/postgres.ts';
import { processStart } from '../../lib/local/process-table.ts';
import type { LocalServer } from '../../lib/local/server-process.ts';
import { waitFor } from '../support/process.ts';
import { query } from '../support/query.ts';
import { commandLines } from './process-list.ts';
import { newFolder, startedServer, startStarter } from './staged-project.ts';

const isRoot = process.getuid?.() === 0;
const NOBODY = 65534;
const settings = { fsync: 'off' };

const running: LocalServer[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
});

async function start(options: PostgresOptions): Promise<LocalServer> {
  const server = await startPostgres({ settings, ...options });
  running.push(server);
  return server;
}

const shared = newFolder('postgres');

test('listens on loopback alone, wants the password, and never shows it', async () => {
  const seen: string[] = [];
  const watch = setInterval(() => seen.push(commandLines()), 20);
  const steps: string[] = [];
  const server = await start({ folder: shared, onProgress: (step) => steps.push(step) });
  seen.push(commandLines());
  clearInterval(watch);

  // Where root's own folder holds the package, it was unpacked before.
  expect(steps.slice(-2)).toEqual(['Creating the database', 'Starting Postgres']);
  expect(await query(server.url, 'SHOW server_encoding')).toEqual([{ server_encoding: 'UTF8' }]);
  const { password } = new URL(server.url);
  expect(seen.join()).toContain('initdb');
  expect(seen.join()).not.toContain(password);
  expect(statSync(join(shared, 'password')).mode & 0o777).toBe(0o600);
  await expect(query(server.url.replace(password, 'wrong'), 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });

  const others = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  for (const { address } of others.filter((entry) => entry.family === 'IPv4' && !entry.internal)) {
    await expect(query(server.url.replace('127.0.0.1', address), 'SELECT 1')).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    });
  }
  expect(await query(server.url, 'SHOW listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }]);
});

test('a second start finds the data, on the port and with the settings asked for', async () => {
  const first = await start({ folder: shared });
  await query(first.url, 'CREATE TABLE kept AS SELECT 1 AS n');
  await first.stop();
  await first.stop();
  expect(await first.exited).toEqual({ code: 0, signal: null });

  const second = await start({ folder: shared, port: first.port, settings: { fsync: 'off', max_connections: '17' } });
  expect(second.url).toBe(first.url);
  expect(await query(second.url, 'SELECT n FROM kept')).toEqual([{ n: 1 }]);
  expect(await query(second.url, 'SHOW max_connections')).toEqual([{ max_connections: '17' }]);
});

test('a taken port is one clear line, and the next start is none the worse', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const port = (other.address() as { port: number }).port;
  await expect(start({ folder: shared, port })).rejects.toThrow(
    `Postgres cannot start: port ${port} of 127.0.0.1 is taken; free it or choose another`,
  );
  other.close();
  await start({ folder: shared });
});

test('a setting that Postgres refuses is told in its own words', async () => {
  await expect(start({ folder: shared, settings: { max_connections: 'many' } })).rejects.toThrow(
    /^Postgres ended at its start: .*FATAL: +invalid value for parameter "max_connections": "many".*postgres\.log\)$/,
  );
});

test('a folder whose starter is alive is refused, and its server goes on', async () => {
  const first = await start({ folder: shared });
  await expect(start({ folder: shared })).rejects.toThrow(
    `${shared} is in use by process ${process.pid}: stop that one first`,
  );
  expect(await query(first.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
});

test('the server of a killed starter is ended, and its data are there', async () => {
  const starter = startStarter({ start: 'startPostgres', options: { folder: shared, settings } });
  const old = await startedServer(starter);
  await query(old.url, 'CREATE TABLE before_the_kill AS SELECT 2 AS n');
  starter.signal('SIGKILL');
  await starter.exit;
  expect(await query(old.url, 'SELECT n FROM before_the_kill')).toEqual([{ n: 2 }]);

  const server = await start({ folder: shared });
  expect(processStart(old.pid)).toBeNull();
  expect(await query(server.url, 'SELECT n FROM before_the_kill')).toEqual([{ n: 2 }]);
});

test('after a kill of all but a backend that computes, the next start recovers', async () => {
  const starter = startStarter({ start: 'startPostgres', options: { folder: shared, settings } });
  const old = await startedServer(starter);
  const client = new pg.Client(old.url);
  const errors: Error[] = [];
  client.on('error', (error) => errors.push(error));
  await client.connect();
  const backend = (await client.query('SELECT pg_backend_pid() AS pid')).rows[0].pid as number;
  await query(old.url, 'CREATE TABLE before_the_end AS SELECT 3 AS n');
  const computing = client.query('SELECT count(*) FROM generate_series(1, 1000000000000)').catch((error) => error);
  await waitFor(
    async () => (await query(old.url, `SELECT 1 FROM pg_stat_activity WHERE pid = ${backend} AND state = 'active'`))[0],
    {
      describe: 'the long query to run',
    },
  );
  process.kill(starter.pid, 'SIGKILL');
  process.kill(old.pid, 'SIGKILL');
  await starter.exit;
  expect(processStart(backend)).not.toBeNull();

  const server = await start({ folder: shared });
  expect(processStart(backend)).toBeNull();
  expect(await query(server.url, 'SELECT n FROM before_the_end')).toEqual([{ n: 3 }]);
  expect(await computing).toBeInstanceOf(Error);
  expect(errors).not.toEqual([]);
});

test('a stranger that got the process id of an old server is left alone', async () => {
  const stranger = spawn('sleep', ['60'], isRoot ? { uid: NOBODY, gid: NOBODY } : {});
  await once(stranger, 'spawn');
  try {
    const data = join(shared, 'data');
    writeFileSync(join(data, 'postmaster.pid'), `${stranger.pid}\n${data}\n1\n1\n\n127.0.0.1\n`);
    await start({ folder: shared });
    expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
  } finally {
    stranger.kill('SIGKILL');
  }
});

test('data of another major version, or without their password, are one clear line', async () => {
  const version = join(shared, 'data', 'PG_VERSION');
  const made = readFileSync(version);
  writeFileSync(version, '15\n');
  await expect(start({ folder: shared })).rejects.toThrow(
    /was made by Postgres 15, and \d+ is installed: remove .* to start anew$/,
  );
  writeFileSync(version, made);
  renameSync(join(shared, 'password'), join(shared, 'elsewhere'));
  await expect(start({ folder: shared })).rejects.toThrow(/password is missing, .*: remove .* to start anew$/);
  renameSync(join(shared, 'elsewhere'), join(shared, 'password'));
});

test('a killed first start is cleaned up, and so is a server whose folder was removed', async () => {
  const folder = newFolder('postgres');
  const starter = startStarter({ start: 'startPostgres', options: { folder, settings } });
  await starter.waitForLog((entry) => entry.step === 'Creating the database');
  await waitFor(() => readdirSync(folder).find((name) => name.startsWith('creating-')), { describe: 'initdb' });
  starter.signal('SIGKILL');
  await starter.exit;
  expect(existsSync(join(folder, 'data'))).toBe(false);

  const next = startStarter({ start: 'startPostgres', options: { folder, settings } });
  const old = await startedServer(next);
  expect(readdirSync(folder).filter((name) => name.startsWith('creating-'))).toEqual([]);
  next.signal('SIGKILL');
  await next.exit;
  rmSync(folder, { recursive: true, maxRetries: 5 });
  await start({ folder });
  expect(processStart(old.pid)).toBeNull();
});
