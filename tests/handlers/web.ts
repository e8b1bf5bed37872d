import { setMaxListeners } from 'node:events';
import { pino } from 'pino';
import { afterAll } from 'vitest';
import type { GeneratedKey } from '../../db/keys.ts';
import { type App, createApp } from '../../handlers/app.ts';
import { connectDependencies } from '../../handlers/dependencies.ts';
import { type Dependencies, standardTiming, type Timing } from '../../handlers/factory.ts';
import { startWebServer } from '../../handlers/web-server.ts';
import { Announcer } from '../../lib/announcer.ts';
import type { CommandReason } from '../../lib/command.ts';
import type { CommandChange } from '../../lib/command-events.ts';
import { readConfig, settingNames } from '../../lib/config.ts';
import type { NewKey } from '../../lib/key.ts';
import { CircuitBreaker, connectProducer } from '../../lib/redis.ts';

export type ClientKey = GeneratedKey & { headers: { 'Api-Key': string; 'Api-Secret': string } };

export type Claimed = { id: number; token: string; server: string };
export type Ending = { output: string; ok?: boolean } | { reason: CommandReason };

/** A web process inside of the test's: real Postgres, Redis and HTTP, with its clock and log in reach. */
export interface Web {
  url: string;
  deps: Dependencies;
  /** The route table. */
  routes: App['routes'];
  log: Record<string, unknown>[];
  key(options?: Partial<NewKey>): Promise<ClientKey>;
  /** Runs the oldest queued command of a server as a worker would, and ends it. */
  runOldest(ending: Ending, server?: string): Promise<string>;
  /** Makes the oldest queued command of a server `running`. */
  claimOldest(server?: string): Promise<Claimed>;
  /** Ends a command that was claimed. */
  finish(claimed: Claimed, ending: Ending): Promise<void>;
  stop(): Promise<void>;
}

const running = new Set<Web>();

afterAll(async () => {
  for (const web of running) await web.stop();
});

export async function startWeb(options: {
  databaseUrl: string;
  redisUrl: string;
  settings?: Record<string, string>;
  timing?: Partial<Timing>;
}): Promise<Web> {
  const environment = {
    DATABASE_URL: options.databaseUrl,
    REDIS_URL: options.redisUrl,
    SECRET_KEY: '0123456789abcdef0123456789abcdef',
    PORT: '0',
    HOST: '127.0.0.1',
    ...options.settings,
  };
  const config = readConfig(environment, settingNames);
  const log: Record<string, unknown>[] = [];
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  const deps = connectDependencies({
    config,
    log: pino({ level: 'debug' }, { write: (line: string) => log.push(JSON.parse(line) as Record<string, unknown>) }),
    now: () => performance.now(),
    timing: { ...standardTiming, ...options.timing },
    stopping: stop.signal,
  });
  const app = createApp(deps);
  const { port, closed } = await startWebServer(app, deps);
  const worker = connectProducer(config.redisUrl, () => undefined);
  const announcer = new Announcer(worker, new CircuitBreaker(() => performance.now()), { warn: () => undefined });
  const owner = 'worker-of-the-test';
  const leases = new Map<string, number>();

  const leaseOf = async (server: string): Promise<{ server: string; owner: string; epoch: number }> => {
    if (!leases.has(server)) {
      await deps.leases.register({ id: owner, servers: [server], host: 'test', version: '1' });
      const observed = (await deps.leases.observe([server])).leases[0];
      const lease = observed && (await deps.leases.take(owner, observed));
      if (!lease) throw new Error('the lease was not to be had');
      leases.set(server, lease.epoch);
    }
    return { server, owner, epoch: leases.get(server) ?? 0 };
  };
  const tell = (row: CommandChange) => announcer.announceChange(row);

  const web: Web = {
    url: `http://127.0.0.1:${port}`,
    deps,
    routes: app.routes,
    log,
    key: async (keyOptions) => {
      const key = await deps.keys.generate(keyOptions);
      return { ...key, headers: { 'Api-Key': key.apiKey, 'Api-Secret': key.apiSecret } };
    },
    claimOldest: async (server = 'default') => {
      const lease = await leaseOf(server);
      const row = await deps.commands.claim(lease);
      if (!row) throw new Error('there was nothing to claim');
      await tell(row);
      return { id: row.id, token: row.token, server };
    },
    finish: async ({ id, server }, ending) => {
      const lease = await leaseOf(server);
      const row = await deps.commands.finish(
        id,
        lease,
        'reason' in ending
          ? { kind: 'no_reply', reason: ending.reason, durationMs: 5 }
          : { kind: 'reply', ok: ending.ok ?? true, output: ending.output, truncated: false, durationMs: 5 },
      );
      if (!row) throw new Error('the command was not running under the lease');
      await tell(row);
    },
    runOldest: async (ending, server) => {
      const claimed = await web.claimOldest(server);
      await web.finish(claimed, ending);
      return claimed.token;
    },
    stop: async () => {
      running.delete(web);
      stop.abort();
      await closed;
      worker.disconnect();
      await deps.close();
    },
  };
  running.add(web);
  return web;
}
