import { createAccept } from '../db/accept.ts';
import { closeDatabase, connectDatabase } from '../db/client.ts';
import { createCommandChanges } from '../db/command-changes.ts';
import { createCommandPages } from '../db/command-pages.ts';
import { createCommands } from '../db/commands.ts';
import { createDeliveries } from '../db/deliveries.ts';
import { createKeyStanding } from '../db/key-standing.ts';
import { createKeys } from '../db/keys.ts';
import { createLeases } from '../db/leases.ts';
import { createResend } from '../db/resend.ts';
import type { CommandRow } from '../db/schema.ts';
import { createServerStatuses } from '../db/server-status.ts';
import { Announcer } from '../lib/announcer.ts';
import { ChangeFeed } from '../lib/change-feed.ts';
import { ChangeSubscription } from '../lib/command-events.ts';
import { CommandWaiters } from '../lib/command-waiters.ts';
import { createMetrics } from '../lib/metrics.ts';
import { onceInAWhile } from '../lib/once-in-a-while.ts';
import { createRateLimiter } from '../lib/rate-limiter.ts';
import { CircuitBreaker, connectProducer, connectSubscriber } from '../lib/redis.ts';
import { createSeal } from '../lib/seal.ts';
import { describeError } from './error-report.ts';
import type { Dependencies } from './factory.ts';
import { rateWindowSeconds } from './middleware/rate-limit.ts';

/** What comes from outside of the process. */
export type Surroundings = Pick<Dependencies, 'config' | 'log' | 'now' | 'timing' | 'stopping'>;

const poolSize = 10;

/** Connects to Postgres and Redis; neither has to be there yet. `close` ends the connections. */
export function connectDependencies(given: Surroundings): Dependencies & { close: () => Promise<void> } {
  const { config, log, now } = given;
  let isClosing = false;
  const redisFailed = onceInAWhile(now, (error) => {
    // A connection that is ended half-way through its first words fails.
    if (!isClosing) log.warn(describeError(error), 'Redis is out of reach');
  });
  const database = connectDatabase(config.databaseUrl, {
    maximum: poolSize,
    onError: (error) => log.warn(describeError(error), 'a connection to Postgres was lost'),
  });
  const producer = connectProducer(config.redisUrl, redisFailed);
  const subscriber = connectSubscriber(config.redisUrl, redisFailed);
  const sayUncounted = onceInAWhile(now, (error) =>
    log.warn(describeError(error), 'Redis counted no request: limits are kept by each web process alone'),
  );
  const metrics = createMetrics();
  const breaker = new CircuitBreaker(now);
  const commands = createCommands(database);
  const changes = createCommandChanges(database);
  const pages = createCommandPages(database);
  const rowsOf = (ids: readonly number[]) => pages.withIds(ids, 'asc');
  const waiters = new CommandWaiters({
    look: { changes: changes.ofIds, rows: rowsOf, row: ({ token }: CommandRow) => commands.findByToken(token) },
    onError: onceInAWhile(now, (error) => log.warn(describeError(error), 'waiters could not look at their commands')),
  });
  const changeReader = { horizon: changes.horizon, sweep: changes.sweep, rows: rowsOf };
  const feed = new ChangeFeed({
    reader: changeReader,
    onError: onceInAWhile(now, (error) => log.warn(describeError(error), 'event streams could not look for changes')),
  });
  const sayMalformed = onceInAWhile(now, () => log.warn('a change was announced in a form that is not known'));
  const changeSubscription = new ChangeSubscription(subscriber, {
    onChange: (change) => {
      waiters.announce(change);
      feed.announce();
    },
    onMalformed: () => sayMalformed(undefined),
    onError: redisFailed,
  });

  return {
    ...given,
    database,
    keys: createKeys(database, createSeal(config.secretKeys, 'signing-secret')),
    keyStanding: createKeyStanding(database),
    accept: createAccept(database),
    commands,
    pages,
    deliveries: createDeliveries(database),
    resendOnce: createResend(database),
    leases: createLeases(database),
    metrics,
    serverStatuses: createServerStatuses(database),
    redis: producer,
    rateLimiter: createRateLimiter({
      redis: producer,
      breaker,
      prefix: '{dokku-api}:requests',
      windowSeconds: rateWindowSeconds,
      onError: (error) => {
        metrics.rateLimitFallbacks.inc();
        sayUncounted(error);
      },
    }),
    announcer: new Announcer(producer, breaker, log),
    waiters,
    changes,
    changeReader,
    changeSubscription,
    feed,
    close: async () => {
      isClosing = true;
      producer.disconnect();
      subscriber.disconnect();
      await closeDatabase(database);
    },
  };
}
