/**
 * Every check, in the order of a command's way: what makes commands not run, and what to do about it. They run side by
 * side as far as one does not build on another.
 */
import type { Database } from '../../../db/client.ts';
import type { Config } from '../../../lib/config.ts';
import { checkCallbacks } from './callbacks.ts';
import { checkConfiguration } from './configuration.ts';
import { type Checked, type Finding, failed, skipped } from './finding.ts';
import { checkMigrations } from './migrations.ts';
import { checkPostgres } from './postgres.ts';
import { checkRedis } from './redis.ts';
import { type Place, type Remedies, remediesFor } from './remedies.ts';
import { checkServers } from './server-checks.ts';
import { checkSigningSecrets } from './signing-secrets.ts';
import { brokenOff, onceMore, type Step } from './step.ts';
import { checkStorage } from './storage.ts';

export type DiagnoseOptions = {
  /** With every setting in it. */
  environment: NodeJS.ProcessEnv;
  place: Place;
  /** How long a worker that was just started may take to show itself, in milliseconds; none where it is not given. */
  workerPatienceMs?: number;
  /** Told each finding, in order, as soon as it and those before it are known. */
  onFinding?: (finding: Finding) => void;
};

/** Whatever hangs, all of it is over by then. */
const withinMs = 18_000;
/** A connection that does not close is left to the end of the process. */
const closeWithinMs = 500;

/** Does every check. Never rejects for the sake of what is checked. */
export async function diagnose(options: DiagnoseOptions): Promise<Finding[]> {
  const { environment, place, workerPatienceMs = 0, onFinding } = options;
  const remedies = remediesFor(place);
  const configuration = checkConfiguration(environment, remedies);
  const config = configuration.value ?? {};

  const postgres = connected('Postgres', 'DATABASE_URL', config.databaseUrl, (url) => checkPostgres(url, remedies));
  const migrations = postgres.then(({ value }) =>
    value === null ? skip('migrations', 'Postgres is not usable') : checkMigrations(value, remedies),
  );
  const redis = connected('Redis', 'REDIS_URL', config.redisUrl, (url) => checkRedis(url, remedies));
  const database = migrations.then(({ value }) => value);
  const steps: Step[] = [
    { check: 'configuration', findings: Promise.resolve(configuration.findings) },
    { check: 'Postgres', findings: postgres.then(({ findings }) => findings) },
    { check: 'migrations', findings: migrations.then(({ findings }) => findings) },
    { check: 'Redis', findings: redis.then(({ findings }) => findings) },
    ...checkServers({
      config,
      database: reportedElsewhere(database),
      redis: reportedElsewhere(redis.then(({ value }) => value)),
      workerPatienceMs,
      remedies,
    }),
    {
      check: 'storage',
      findings: withTables(database, 'storage', async (usable) => [await checkStorage(usable, remedies)]),
    },
    ...callbackSteps(database, config, environment.CALLBACK_ALLOW ?? '', remedies),
  ];
  const findings = await settle(steps, onFinding);
  await close([postgres.then(({ value }) => value?.$client.end()), redis.then(({ value }) => value?.disconnect())]);
  return findings;
}

function connected<Value>(
  check: string,
  variable: string,
  url: string | undefined,
  connect: (url: string) => Promise<Checked<Value>>,
): Promise<Checked<Value>> {
  return url === undefined ? Promise.resolve(skip(check, `${variable} cannot be read`)) : connect(url);
}

function skip(check: string, why: string): Checked<never> {
  return { findings: [skipped(check, why)], value: null };
}

/** Not every check comes to await it; its rejection is told by the step that it belongs to. */
function reportedElsewhere<Value>(promise: Promise<Value>): Promise<Value> {
  promise.catch(() => undefined);
  return promise;
}

async function withTables(
  database: Promise<Database | null>,
  check: string,
  look: (database: Database) => Promise<Finding[]>,
): Promise<Finding[]> {
  const usable = await database;
  return usable === null ? [skipped(check, 'the tables are not usable')] : await look(usable);
}

function callbackSteps(
  database: Promise<Database | null>,
  { secretKeys }: Partial<Config>,
  callbackAllow: string,
  remedies: Remedies,
): Step[] {
  return [
    {
      check: 'callbacks',
      findings: withTables(database, 'callbacks', (usable) => checkCallbacks(usable, { callbackAllow, remedies })),
    },
    {
      check: 'signing secrets',
      findings:
        secretKeys === undefined
          ? Promise.resolve([skipped('signing secrets', 'SECRET_KEY cannot be read')])
          : withTables(database, 'signing secrets', async (usable) => [
              await checkSigningSecrets(usable, secretKeys, remedies),
            ]),
    },
  ];
}

/** Gathers what the steps find in their order, and what became of those that failed or did not come to an end. */
async function settle(steps: readonly Step[], onFinding: DiagnoseOptions['onFinding']): Promise<Finding[]> {
  let over: NodeJS.Timeout | undefined;
  const deadline = new Promise<null>((resolve) => {
    over = setTimeout(resolve, withinMs, null);
  });
  const settled = steps.map(async ({ check, findings }) => {
    try {
      const found = await Promise.race([findings, deadline]);
      return found ?? [failed(check, `no answer within ${withinMs / 1000} s`, onceMore)];
    } catch (error) {
      return [brokenOff(check, error)];
    }
  });
  const all: Finding[] = [];
  for (const findings of settled) {
    for (const finding of await findings) {
      all.push(finding);
      onFinding?.(finding);
    }
  }
  clearTimeout(over);
  return all;
}

async function close(ends: Promise<unknown>[]): Promise<void> {
  let over: NodeJS.Timeout | undefined;
  const deadline = new Promise((resolve) => {
    over = setTimeout(resolve, closeWithinMs);
  });
  await Promise.race([Promise.allSettled(ends), deadline]);
  clearTimeout(over);
}
