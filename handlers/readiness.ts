/** How all that commands need fares. It is asked by anybody, so that one look serves all who ask within a second. */
import * as v from 'valibot';
import { migrationStatus } from '../db/migration-status.ts';
import { serversOf } from '../lib/config.ts';
import { inTime } from '../lib/in-time.ts';
import { onceInAWhile } from '../lib/once-in-a-while.ts';
import { version } from '../lib/package.ts';
import { remembered } from '../lib/remembered.ts';
import { silenceSeconds } from '../lib/worker-silence.ts';
import { describeError } from './error-report.ts';
import type { Dependencies } from './factory.ts';

const state = v.picklist(['ok', 'degraded', 'unavailable', 'unknown']);

export const readinessSchema = v.pipe(
  v.object({
    status: v.picklist(['ok', 'degraded', 'unavailable']),
    version: v.string(),
    postgres: state,
    migrations: v.pipe(state, v.description('`unavailable`: some are pending.')),
    redis: v.pipe(state, v.description('`degraded`: it is away, and commands start up to 2 s later.')),
    workers: v.pipe(v.record(v.string(), state), v.description('By server; `degraded`: no live worker has it.')),
  }),
  v.metadata({ ref: 'Readiness' }),
);

type Readiness = v.InferOutput<typeof readinessSchema>;
type PostgresChecks = Pick<Readiness, 'postgres' | 'migrations' | 'workers'>;

const servesMs = 1000;
/** Less than the usual probes wait. */
const answerWithinMs = 2500;

/** Makes the look; it never rejects. */
export function createReadiness({
  config,
  log,
  now,
  database,
  serverStatuses,
  redis,
}: Pick<Dependencies, 'config' | 'log' | 'now' | 'database' | 'serverStatuses' | 'redis'>): () => Promise<Readiness> {
  const servers = serversOf(config).map(({ name }) => name);
  const sayUnready = onceInAWhile(now, (error) =>
    log.warn(describeError(error), 'not ready: Postgres could not answer'),
  );

  const everywhere = (is: v.InferOutput<typeof state>) => Object.fromEntries(servers.map((name) => [name, is]));

  async function lookAtTables(): Promise<PostgresChecks> {
    if ((await migrationStatus(database)) === 'pending') {
      return { postgres: 'ok', migrations: 'unavailable', workers: everywhere('unknown') };
    }
    const known = await serverStatuses.workers();
    const served = new Set(
      known.filter(({ silentMs }) => silentMs < silenceSeconds(config) * 1000).flatMap((worker) => worker.servers),
    );
    const workers = servers.map((name) => [name, served.has(name) ? 'ok' : 'degraded'] as const);
    return { postgres: 'ok', migrations: 'ok', workers: Object.fromEntries(workers) };
  }

  async function lookAtPostgres(): Promise<PostgresChecks> {
    try {
      return await inTime(lookAtTables(), answerWithinMs);
    } catch (error) {
      sayUnready(error);
      return { postgres: 'unavailable', migrations: 'unknown', workers: everywhere('unknown') };
    }
  }

  async function lookAtRedis(): Promise<'ok' | 'degraded'> {
    // Changes nothing where there is no such key, and is refused wherever an announcement would be: by a replica, a
    // Sentinel, another node of a cluster, a full memory. The connection notices, and says, its own errors.
    return await redis.set('{dokku-api}:readyz', '', 'XX').then(
      () => 'ok',
      () => 'degraded',
    );
  }

  return remembered(
    async () => {
      const [postgres, redisState] = await Promise.all([lookAtPostgres(), lookAtRedis()]);
      const checks = { ...postgres, redis: redisState };
      const states = [checks.postgres, checks.migrations, checks.redis, ...Object.values(checks.workers)];
      const status = (['unavailable', 'degraded'] as const).find((worst) => states.includes(worst)) ?? 'ok';
      return { status, version, ...checks };
    },
    { forMs: servesMs, now },
  );
}
