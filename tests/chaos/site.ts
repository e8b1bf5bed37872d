import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { connectDatabase } from '../../db/client.ts';
import { createKeys, type GeneratedKey } from '../../db/keys.ts';
import { createSeal } from '../../lib/seal.ts';
import { freePort } from '../support/process.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { steppableClock } from '../support/stepped-clock.ts';
import { monotonicMs } from './clock.ts';
import { prepareDisk } from './full-disk.ts';
import type { MutationName } from './mutations.ts';
import { Orders } from './orders.ts';
import { Place } from './place.ts';
import type { RunningProcess } from './processes.ts';
import type { Fault } from './records.ts';
import type { Services } from './services.ts';

export const leaseSeconds = 2;
/** In place of a minute: short, as every outage of Postgres begins the count anew. */
export const removedAfterMs = 2000;
const secretKey = randomBytes(32).toString('hex');

/** A dokku-api of several web and worker processes, with a database of its own, each process behind its own proxy. */
export type Site = {
  services: Services;
  webs: readonly Place[];
  workers: readonly Place[];
  /** Between each process and Postgres, by place. */
  proxies: ReadonlyMap<string, TestProxy>;
  /** Between all processes and Redis. */
  redisProxy: TestProxy;
  /** Every process so far. */
  started: readonly RunningProcess[];
  orders: Orders;
  key: GeneratedKey;
  /** Of its database, past the proxies. */
  databaseUrl: string;
  /** The servers that processes started from now on have configured. */
  configured: Set<string>;
  /** Of the web processes that are there now. */
  urls(): string[];
  faults: Fault[];
  /** Takes note of a fault for as long as `during` lasts. */
  strike(
    fault: { kind: string; server?: string; processes?: readonly (RunningProcess | undefined)[]; dropsLock?: boolean },
    during: () => Promise<void> | void,
  ): Promise<void>;
  /** Ends every process in good order, and the proxies. */
  stop(): Promise<void>;
};

export type SiteOptions = {
  services: Services;
  name: string;
  folder: string;
  /** How many processes of each. */
  webs?: number;
  workers?: number;
  mutation?: MutationName | undefined;
};

export async function startSite(options: SiteOptions): Promise<Site> {
  const { services, name, folder, mutation } = options;
  const databaseUrl = await services.postgres.createDatabase(name);
  const database = connectDatabase(databaseUrl, { maximum: 1, onError: () => undefined });
  const key = await createKeys(database, createSeal([secretKey], 'signing-secret')).generate({ role: 'admin' });
  await database.$client.end();
  await prepareDisk(databaseUrl);

  const proxies = new Map<string, TestProxy>();
  const redisProxy = await startProxy({ target: services.redis.url });
  const started: RunningProcess[] = [];
  const urls = new Map<string, string>();
  const socketOf = (server: string) => services.daemons.get(server)?.socketPath ?? '';
  const configured = new Set(services.daemons.keys());
  const shared = {
    REDIS_URL: redisProxy.url(services.redis.url),
    SECRET_KEY: secretKey,
    HOST: '127.0.0.1',
    DOKKU_DAEMON_SOCKET: socketOf('default'),
    CALLBACK_ALLOW: '127.0.0.1',
    RATE_LIMIT: '1000000',
    LEASE_SECONDS: String(leaseSeconds),
    DAEMON_WAIT: '3',
    ...steppableClock,
    ...(mutation !== undefined && { CHAOS_MUTATION: mutation }),
  };
  const makePlace = async (role: 'web' | 'worker', number: number): Promise<Place> => {
    const place = `${role}-${number}`;
    const proxy = await startProxy({ target: databaseUrl });
    proxies.set(place, proxy);
    const script = join(services.build, role === 'web' ? 'handlers/server.js' : 'tests/chaos/worker.js');
    const configuration = async () => {
      const port = role === 'web' ? await freePort() : null;
      if (port !== null) urls.set(place, `http://127.0.0.1:${port}`);
      const servers = [...services.daemons.keys()].filter((server) => configured.has(server));
      const more = servers.filter((server) => server !== 'default');
      const env = {
        ...shared,
        DATABASE_URL: proxy.url(databaseUrl),
        DOKKU_SERVERS: more.map((server) => `${server}=${socketOf(server)}`).join(','),
        ...(port === null ? { REMOVED_AFTER_MS: String(removedAfterMs) } : { PORT: String(port) }),
      };
      return { env, servers };
    };
    return new Place({ name: place, role, script, configuration, folder, started });
  };
  const makePlaces = (role: 'web' | 'worker', count: number) =>
    Promise.all(Array.from({ length: count }, (_, index) => makePlace(role, index + 1)));
  const webs = await makePlaces('web', options.webs ?? 2);
  const workers = await makePlaces('worker', options.workers ?? 3);
  const faults: Fault[] = [];
  const site: Site = {
    ...{ services, webs, workers, proxies, redisProxy, started, key, faults, databaseUrl, configured },
    orders: new Orders(folder),
    urls: () => [...urls.values()],
    strike: async ({ kind, server = null, processes = [], dropsLock = false }, during) => {
      const struck = processes.flatMap((process) => (process ? [process.record.process] : []));
      const fault = { kind, at: monotonicMs(), until: Number.POSITIVE_INFINITY, server, processes: struck, dropsLock };
      faults.push(fault);
      await during();
      fault.until = monotonicMs();
    },
    stop: async () => {
      await Promise.all(workers.map((place) => place.close()));
      await Promise.all(webs.map((place) => place.close()));
      await Promise.all([...proxies.values(), redisProxy].map((proxy) => proxy.stop()));
    },
  };
  await Promise.all([...webs, ...workers].map((place) => place.fill()));
  return site;
}
