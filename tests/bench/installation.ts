/** An installation that is measured: web, workers and daemons as processes of their own, and a client with a key. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { connectDatabase } from '../../db/client.ts';
import { createKeys } from '../../db/keys.ts';
import type { WireCommand } from '../../lib/command.ts';
import { freePort } from '../../lib/local/port.ts';
import { createSeal } from '../../lib/seal.ts';
import { type Ground, type Started, untilTrue } from './ground.ts';

const secretKey = 'bench'.repeat(8);

export type Installation = {
  url: string;
  databaseUrl: string;
  /** The paths of the daemons' sockets, by server. */
  sockets: ReadonlyMap<string, string>;
  headers: Record<string, string>;
  readonly web: Started;
  workers: Started[];
  agent: Agent;
  /**
   * POSTs a command.
   * @throws where the answer is not 2xx, since a run with an error among its answers is no result
   */
  post: (fields: Record<string, string>) => Promise<WireCommand>;
  /**
   * @param headers of another key than the installation's own
   * @throws where the answer is not 2xx
   */
  get: (path: string, headers?: Record<string, string>) => Promise<string>;
  /** The headers of a new key that may do everything. */
  generateKey: () => Promise<Record<string, string>>;
  /** The sum of a counter of the web process over all of its labels. */
  counter: (name: string) => Promise<number>;
  startWorkers: (count: number) => Promise<void>;
  /** Starts the web process anew; the milliseconds from its start to the first command accepted. */
  restartWeb: () => Promise<number>;
  end: () => Promise<void>;
};

/** Milliseconds from a connection to its reading, and of a command. */
type DaemonTimes = { connectMs: number; commandMs: number };

/** What the real one takes. */
const realDaemon: DaemonTimes = { connectMs: 6, commandMs: 12 };

export type InstallationOptions = {
  servers?: number;
  daemon?: DaemonTimes;
  /** Servers whose daemons are the caller's: the paths of their sockets. */
  otherDaemons?: Record<string, string>;
  workers?: number;
  connections?: number;
  env?: Record<string, string>;
};

export async function startInstallation(ground: Ground, options: InstallationOptions = {}): Promise<Installation> {
  const {
    servers = 1,
    daemon: times = realDaemon,
    otherDaemons = {},
    workers = 1,
    connections = 256,
    env = {},
  } = options;
  const databaseUrl = await ground.createDatabase();
  const names = ['default', ...Array.from({ length: servers - 1 }, (_, index) => `s${index + 1}`)];
  const port = await freePort();
  const sockets = new Map(names.map((name) => [name, join(ground.folder, `${port}-${name}.sock`)]));
  const daemon = await ground.start({
    name: 'daemon',
    script: 'tests/bench/daemon.ts',
    args: ['--connect-ms', String(times.connectMs), '--command-ms', String(times.commandMs), ...sockets.values()],
    ready: 'listening',
  });
  const environment = {
    DATABASE_URL: databaseUrl,
    REDIS_URL: ground.redisUrl,
    SECRET_KEY: secretKey,
    HOST: '127.0.0.1',
    PORT: String(port),
    RATE_LIMIT: '1000000',
    DOKKU_DAEMON_SOCKET: sockets.get('default') ?? '',
    DOKKU_SERVERS: [...[...sockets].slice(1), ...Object.entries(otherDaemons)]
      .map(([name, path]) => `${name}=${path}`)
      .join(','),
    CALLBACK_ALLOW: '127.0.0.1',
    ...env,
  };
  const startWeb = () => ground.start({ name: 'web', ...procfileCommand('web'), env: environment, ready: 'listening' });
  let web = await startWeb();
  const running: Started[] = [];
  const startWorkers = async (count: number) => {
    const started = Array.from({ length: count }, () =>
      ground.start({ name: 'worker', ...procfileCommand('worker'), env: environment, ready: 'worker started' }),
    );
    running.push(...(await Promise.all(started)));
    await leasesShared(databaseUrl, names.length + Object.keys(otherDaemons).length, running.length);
  };
  if (workers > 0) await startWorkers(workers);

  const url = `http://127.0.0.1:${port}`;
  const headers = await generateKey(databaseUrl);
  const agent = new Agent({ connections, pipelining: 1, bodyTimeout: 0, headersTimeout: 0 });
  const ask = async (path: string, options: { method?: 'GET' | 'POST'; headers?: object; body?: string } = {}) => {
    const answer = await request(url + path, {
      method: 'GET',
      ...options,
      dispatcher: agent,
      headers: { ...headers, ...options.headers },
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 300) throw new Error(`${path} answered ${answer.statusCode}: ${text}`);
    return text;
  };
  const post = async (fields: Record<string, string>) => {
    const body = new URLSearchParams(fields).toString();
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    return JSON.parse(await ask('/commands', { method: 'POST', headers: form, body })) as WireCommand;
  };
  return {
    url,
    databaseUrl,
    sockets,
    headers,
    get web() {
      return web;
    },
    workers: running,
    agent,
    startWorkers,
    post,
    get: (path, headers = {}) => ask(path, { headers }),
    generateKey: () => generateKey(databaseUrl),
    counter: async (name) => {
      const samples = [...(await ask('/metrics')).matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))];
      return samples.reduce((sum, [, value]) => sum + Number(value), 0);
    },
    restartWeb: async () => {
      await web.end();
      const began = performance.now();
      web = await startWeb();
      await post({ cmd: 'apps:list' });
      return performance.now() - began;
    },
    end: async () => {
      await agent.close();
      await Promise.all([web, ...running].map((started) => started.end()));
      await daemon.end();
    },
  };
}

async function generateKey(databaseUrl: string): Promise<Record<string, string>> {
  const database = connectDatabase(databaseUrl, {
    maximum: 1,
    onError: (error) => {
      throw error;
    },
  });
  try {
    const keys = createKeys(database, createSeal([secretKey], 'signing-secret'));
    const { apiKey, apiSecret } = await keys.generate({ role: 'admin' });
    return { 'api-key': apiKey, 'api-secret': apiSecret };
  } finally {
    await database.$client.end();
  }
}

/** Until each server is with a worker, and none has more than its share, which would still be passed on. */
async function leasesShared(databaseUrl: string, servers: number, workers: number): Promise<void> {
  const shared = `select count(*) filter (where held <= ${Math.ceil(servers / workers)}) = count(*) and sum(held) = ${servers} as is
    from (select count(*) as held from dokku_api.leases where owner is not null group by owner) as by_owner`;
  await untilTrue(databaseUrl, shared, 20);
}

/** What the Procfile has behind `node`. */
function procfileCommand(name: string): { script: string; args: string[] } {
  const line = readFileSync('Procfile', 'utf8')
    .split('\n')
    .find((line) => line.startsWith(`${name}: node `));
  const [script, ...args] = line?.split(' ').slice(2) ?? [];
  if (script === undefined) throw new Error(`the Procfile has no ${name} that node runs`);
  return { script, args };
}
