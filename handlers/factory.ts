import type { HttpBindings } from '@hono/node-server';
import { createFactory } from 'hono/factory';
import type { Redis } from 'ioredis';
import type { Accept } from '../db/accept.ts';
import type { Database } from '../db/client.ts';
import type { CommandChanges } from '../db/command-changes.ts';
import type { CommandPages } from '../db/command-pages.ts';
import type { Commands } from '../db/commands.ts';
import type { Deliveries } from '../db/deliveries.ts';
import type { KeyStanding } from '../db/key-standing.ts';
import type { Keys } from '../db/keys.ts';
import type { Leases } from '../db/leases.ts';
import type { Resend } from '../db/resend.ts';
import type { CommandRow } from '../db/schema.ts';
import type { ServerStatuses } from '../db/server-status.ts';
import type { Announcer } from '../lib/announcer.ts';
import type { ChangeFeed, ChangeReader } from '../lib/change-feed.ts';
import type { ChangeSubscription } from '../lib/command-events.ts';
import type { CommandWaiters } from '../lib/command-waiters.ts';
import type { Config } from '../lib/config.ts';
import type { Key } from '../lib/key.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import type { RateLimiter, Usage } from '../lib/rate-limiter.ts';

/**
 * What a handler finds in its context. `key`, and the hash of its secret, are there behind the authentication; `usage`
 * where the request was counted during it.
 */
export type AppEnv = {
  Bindings: HttpBindings;
  Variables: { requestId: string; key: Key; secretHash: Buffer; usage?: Promise<Usage> };
};

/** How often something is said on a connection that would otherwise be silent, in milliseconds. */
export type Timing = { syncBlankMs: number; heartbeatMs: number };

/** Proxies give a silent connection up after 30 to 60 s. */
export const standardTiming: Timing = { syncBlankMs: 20_000, heartbeatMs: 15_000 };

/** What the web process gives to its handlers. */
export type Dependencies = {
  config: Config;
  log: Log;
  /** A monotonic clock, in milliseconds. */
  now: () => number;
  timing: Timing;
  database: Database;
  keys: Keys;
  keyStanding: KeyStanding;
  accept: Accept;
  commands: Commands;
  pages: CommandPages;
  deliveries: Deliveries;
  resendOnce: Resend;
  leases: Leases;
  metrics: Metrics;
  serverStatuses: ServerStatuses;
  /** The producer's profile: it may be away, and says so within half a second. */
  redis: Redis;
  rateLimiter: RateLimiter;
  announcer: Announcer;
  waiters: CommandWaiters<CommandRow>;
  changes: CommandChanges;
  changeReader: ChangeReader<CommandRow>;
  /** Whoever follows more than the ends of commands says so. */
  changeSubscription: ChangeSubscription;
  feed: ChangeFeed<CommandRow>;
  /** Aborted when the process is to stop: streams and waits end with the present state. */
  stopping: AbortSignal;
};

/** Makes handlers that know the context's types. */
export const factory = createFactory<AppEnv>();
