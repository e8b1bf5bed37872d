import { randomBytes } from 'node:crypto';
import { afterAll } from 'vitest';
import { connectDatabase, type Database } from '../../db/client.ts';
import { createKeys, type GeneratedKey } from '../../db/keys.ts';
import type { WireCommand } from '../../lib/command.ts';
import type { NewKey } from '../../lib/key.ts';
import { createSeal } from '../../lib/seal.ts';
import { createDatabase } from './database.ts';
import { freePort, startProcess, type TestProcess, waitFor } from './process.ts';
import { startTestRedis, type TestRedis } from './redis.ts';
import { type StandIn, startStandIn } from './stand-in.ts';

const secretKey = randomBytes(32).toString('hex');
/** Of a process alone it is a second; on a machine where ten start at once, and others work too, many. */
const startsWithinMs = 30_000;

export type InstallationOptions = {
  /** Names of servers, each with a stand-in daemon of its own. */
  servers?: readonly string[];
  /** Added to the environment of every process. */
  env?: Record<string, string>;
  /** A migrated database in place of one of its own in the Postgres of the run. */
  databaseUrl?: string;
  /** Where the processes find Postgres and Redis, when not directly: a proxy, say. */
  through?: { databaseUrl?: (url: string) => string; redisUrl?: (url: string) => string };
};

/** A whole dokku-api of real processes, with databases and daemons of its own; ended after the test file. */
export type Installation = {
  database: Database;
  databaseUrl: string;
  redis: TestRedis;
  daemons: Map<string, StandIn>;
  /** The environment that every process gets. */
  env: Record<string, string>;
  startWeb(env?: Record<string, string>): Promise<Web>;
  startWorker(env?: Record<string, string>): Promise<TestProcess>;
  generateKey(options?: Partial<NewKey>): Promise<GeneratedKey>;
};

/** A web process, and a client of it that has an admin key. */
export type Web = {
  process: TestProcess;
  url: string;
  /** @param body sent as form fields */
  post(path: string, body?: Record<string, string>, headers?: Record<string, string>): Promise<Response>;
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  /** POSTs a command and returns it as accepted. */
  accept(body: Record<string, string>): Promise<WireCommand>;
  /** Waits until the command is final. */
  final(token: string, timeout?: number): Promise<WireCommand>;
};

const open = new Set<Database>();

// Before the databases are dropped: their files' hooks were registered earlier, and run later.
afterAll(async () => {
  for (const database of open) await database.$client.end();
});

export async function createInstallation(options: InstallationOptions = {}): Promise<Installation> {
  const [first = 'default', ...more] = options.servers ?? ['default'];
  if (first !== 'default') throw new Error('the first server is always default');
  const [databaseUrl, redis, ...standIns] = await Promise.all([
    options.databaseUrl ?? createDatabase().then(({ url }) => url),
    startTestRedis(),
    ...[first, ...more].map(async (name) => [name, await startStandIn()] as const),
  ]);
  const daemons = new Map<string, StandIn>(standIns);
  const socketOf = (name: string) => daemons.get(name)?.socketPath ?? '';
  const database = connectDatabase(databaseUrl, { maximum: 4, onError: () => undefined });
  open.add(database);
  const env = {
    DATABASE_URL: options.through?.databaseUrl?.(databaseUrl) ?? databaseUrl,
    REDIS_URL: options.through?.redisUrl?.(redis.url) ?? redis.url,
    SECRET_KEY: secretKey,
    HOST: '127.0.0.1',
    DOKKU_DAEMON_SOCKET: socketOf(first),
    DOKKU_SERVERS: more.map((name) => `${name}=${socketOf(name)}`).join(','),
    RATE_LIMIT: '1000000',
    ...options.env,
  };
  const keys = createKeys(database, createSeal([secretKey], 'signing-secret'));

  return {
    database,
    databaseUrl,
    redis,
    daemons,
    env,
    startWeb: async (extra = {}) => {
      const port = await freePort();
      const process = startProcess({ script: 'handlers/server.ts', env: { ...env, PORT: String(port), ...extra } });
      await process.waitForLog((entry) => entry.msg === 'listening', startsWithinMs);
      const key = await keys.generate({ role: 'admin' });
      return clientOf(process, `http://127.0.0.1:${port}`, key);
    },
    startWorker: async (extra = {}) => {
      const process = startProcess({ script: 'worker/main.ts', env: { ...env, ...extra } });
      await process.waitForLog((entry) => entry.msg === 'worker started', startsWithinMs);
      return process;
    },
    generateKey: (key) => keys.generate(key),
  };
}

function clientOf(process: TestProcess, url: string, key: GeneratedKey): Web {
  const credentials = { 'Api-Key': key.apiKey, 'Api-Secret': key.apiSecret };
  const web: Web = {
    process,
    url,
    post: (path, body = {}, headers = {}) =>
      fetch(url + path, { method: 'POST', body: new URLSearchParams(body), headers: { ...credentials, ...headers } }),
    get: (path, headers = {}) => fetch(url + path, { headers: { ...credentials, ...headers } }),
    accept: async (body) => {
      const response = await web.post('/commands', body);
      if (response.status !== 202) throw new Error(`not accepted: ${response.status} ${await response.text()}`);
      return (await response.json()) as WireCommand;
    },
    final: (token, timeout = 20_000) =>
      waitFor(
        async () => {
          const response = await web.get(`/commands/${token}`);
          const command = (await response.json()) as WireCommand;
          return command.ran_at === null ? null : command;
        },
        { timeout, describe: `command ${token} to be final` },
      ),
  };
  return web;
}
