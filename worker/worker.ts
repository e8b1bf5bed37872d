import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { closeDatabase, connectDatabase, databaseErrorCode } from '../db/client.ts';
import { createCommands } from '../db/commands.ts';
import { createDeliveries } from '../db/deliveries.ts';
import { createIdempotency } from '../db/idempotency.ts';
import { createLeases } from '../db/leases.ts';
import type { CommandRow } from '../db/schema.ts';
import { Announcer } from '../lib/announcer.ts';
import { isFinal } from '../lib/command.ts';
import { type Server, serversOf } from '../lib/config.ts';
import type { Log } from '../lib/log.ts';
import { onceInAWhile } from '../lib/once-in-a-while.ts';
import { version } from '../lib/package.ts';
import { CircuitBreaker, connectProducer, connectReader, redisErrorCode } from '../lib/redis.ts';
import { createSeal } from '../lib/seal.ts';
import { CallbackDeliverer } from './callbacks/deliver.ts';
import { lazyCallbackClient } from './callbacks/lazy-client.ts';
import { consume } from './consume.ts';
import type { WorkerConfig, WorkerContext } from './context.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import { Notifier } from './notifier.ts';
import { runServer } from './run-server.ts';
import { sweep } from './sweep.ts';

const minuteMs = 60_000;

export type WorkerOptions = {
  config: WorkerConfig;
  log: Log;
  /** Aborted when the worker is to stop. */
  stopping: AbortSignal;
  /** An error that nobody handles: the process must end, so that a successor judges what it had in hand. */
  onFatal: (error: unknown) => void;
  /** How long a server must be on no live worker's list before its commands are ended; where not given, a minute. */
  removedAfterMs?: number;
  /** Lets a test replace parts of the context, to see that its checks notice. */
  adapt?: (context: WorkerContext) => WorkerContext;
};

/** Runs a worker until it is told to stop; resolves when nothing is in hand and every connection is closed. */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const { config, log, stopping, onFatal, removedAfterMs = minuteMs } = options;
  const id = randomUUID();
  const servers = new Map(serversOf(config).map((server) => [server.name, server]));
  const redisFailed = onceInAWhile(
    () => performance.now(),
    (error) => log.warn({ code: codeOf(error) }, 'Redis is out of reach'),
  );
  const database = connectDatabase(config.databaseUrl, { maximum: 10, onError: noteLostConnection(log) });
  const leaseDatabase = connectDatabase(config.databaseUrl, {
    maximum: 2,
    queryTimeoutMs: Math.min(7000, (config.leaseSeconds * 1000) / 3),
    onError: noteLostConnection(log),
  });
  const producer = connectProducer(config.redisUrl, redisFailed);
  const reader = connectReader(config.redisUrl, redisFailed);
  const announcer = new Announcer(producer, new CircuitBreaker(() => performance.now()), log);
  const callbacks = lazyCallbackClient({ allowList: config.callbackAllow });
  const heldChanged = new Notifier();

  const announceChange = (row: CommandRow) => {
    void announcer.announceChange(row);
    if (row.callbackUrl !== null && isFinal(row.state)) deliverer.attention.notify();
  };
  const plain: WorkerContext = {
    id,
    config,
    log,
    now: () => performance.now(),
    commands: createCommands(database),
    leases: createLeases(database),
    deliveries: createDeliveries(database),
    announceChange,
    onPhase: () => undefined,
    stopping,
  };
  const context = options.adapt?.(plain) ?? plain;
  const deliverer = new CallbackDeliverer(context, callbacks, createSeal(config.secretKeys, 'signing-secret'));
  const keeper = new LeaseKeeper({
    context,
    leases: createLeases(leaseDatabase),
    servers: [...servers.keys()],
    host: hostname(),
    version,
    run: (lease) => runServer(context, servers.get(lease.server) as Server, lease),
    onDeliveriesDue: () => deliverer.attention.notify(),
    onChange: () => heldChanged.notify(),
    onFatal,
  });

  log.info({ worker: id, servers: [...servers.keys()], version }, 'worker started');
  await Promise.all([
    keeper.keep(),
    consume(context, { reader, producer, held: keeper.held, heldChanged }),
    deliverer.deliver(),
    sweep(context, { idempotency: createIdempotency(database), removedAfterMs }),
  ]);
  await context.leases.unregister(id).catch((error: unknown) => {
    log.warn({ code: databaseErrorCode(error) }, 'worker not taken off the list: its silence will tell');
  });
  producer.disconnect();
  await Promise.all([callbacks.close(), closeDatabase(database), closeDatabase(leaseDatabase)]);
  log.info({ worker: id }, 'worker stopped');
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return redisErrorCode(error) ?? String(Reflect.get(error, 'code') ?? error.message);
}

function noteLostConnection(log: Log) {
  return (error: Error) => log.warn({ code: codeOf(error) }, 'a connection to Postgres was lost');
}
