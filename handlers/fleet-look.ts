/** Fills the metrics of the fleet. One look serves every scraper for some seconds, and none waits for long. */
import type { Gauge } from 'prom-client';
import { type CommandTotals, createCommandTotals } from '../db/command-totals.ts';
import { createDeliveryTotals, type DeliveryTotals } from '../db/delivery-totals.ts';
import { type ServerStatus, serverStates } from '../db/server-status.ts';
import { reasonStates } from '../lib/command.ts';
import { serversOf } from '../lib/config.ts';
import { createFleetMetrics, type FleetMetrics } from '../lib/fleet-metrics.ts';
import { inTime } from '../lib/in-time.ts';
import { onceInAWhile } from '../lib/once-in-a-while.ts';
import { remembered } from '../lib/remembered.ts';
import { streamStatus } from '../lib/stream-status.ts';
import { countMalformed } from '../lib/wakeups.ts';
import { silenceSeconds } from '../lib/worker-silence.ts';
import { describeError } from './error-report.ts';
import type { Dependencies } from './factory.ts';

const servesMs = 5000;
/** Prometheus gives a scrape 10 s. */
const waitedForMs = 4000;
/** What has piled up since an earlier scrape is told over several ones. */
const catchUpMs = 1000;

/** Makes the look; it never rejects. */
export function createFleetLook({
  config,
  log,
  now,
  database,
  serverStatuses,
  redis,
  metrics,
}: Pick<
  Dependencies,
  'config' | 'log' | 'now' | 'database' | 'serverStatuses' | 'redis' | 'metrics'
>): () => Promise<void> {
  const fleet = createFleetMetrics(metrics.registry);
  const servers = serversOf(config).map(({ name }) => name);
  beginAtZero(fleet, servers);
  const silence = silenceSeconds(config);
  const commandTotals = createCommandTotals(database);
  const deliveryTotals = createDeliveryTotals(database, now);
  const sayIncomplete = onceInAWhile(now, (error) =>
    log.warn(describeError(error), 'metrics are incomplete: Postgres or Redis could not answer'),
  );

  async function readPostgres(): Promise<void> {
    const statuses = await serverStatuses.of(servers, silence);
    const workers = await serverStatuses.workers();
    for (const status of statuses) setServer(fleet, status);
    fleet.liveWorkers.set(workers.filter(({ silentMs }) => silentMs < silence * 1000).length);
    await readDeliveries(fleet, deliveryTotals);
    const began = now();
    while ((await countCommands(fleet, commandTotals)) && now() - began < catchUpMs);
  }

  async function readRedis(): Promise<void> {
    const seen = await Promise.all(
      servers.map(async (server) => {
        const [status, malformed] = await Promise.all([streamStatus(redis, server), countMalformed(redis, server)]);
        return { server, status, malformed };
      }),
    );
    for (const { server, status, malformed } of seen) {
      if (malformed !== null) {
        fleet.streamMalformed.remove({ server });
        fleet.streamMalformed.inc({ server }, malformed);
      }
      if (status === 'no group') continue;
      if (status.lag !== null) fleet.streamUnread.set({ server }, status.lag);
      fleet.streamUnreadAge.set({ server }, Math.max(0, status.oldestUnreadMs ?? 0) / 1000);
    }
  }

  /** What is not known is left out: a number of before would pass for one of now. */
  async function part(dependency: string, read: () => Promise<void>, gauges: readonly Gauge<string>[]): Promise<void> {
    try {
      await read();
      fleet.dependencyUp.set({ dependency }, 1);
    } catch (error) {
      for (const gauge of gauges) forget(gauge);
      fleet.dependencyUp.set({ dependency }, 0);
      sayIncomplete(error);
    }
  }

  const look = remembered(
    async () => {
      await Promise.all([
        part('postgres', readPostgres, fleet.fromPostgres),
        part('redis', readRedis, fleet.fromRedis),
      ]);
    },
    { forMs: servesMs, now },
  );
  return async () => {
    try {
      await inTime(look(), waitedForMs);
    } catch (error) {
      for (const gauge of fleet.fromPostgres) forget(gauge);
      fleet.dependencyUp.set({ dependency: 'postgres' }, 0);
      sayIncomplete(error);
    }
  };
}

/** A counter that appears with its first event has no increase that an alert could see. */
function beginAtZero(fleet: FleetMetrics, servers: readonly string[]): void {
  for (const server of servers) {
    for (const state of ['succeeded', 'failed'] as const) fleet.commandsEnded.inc({ server, state, reason: '' }, 0);
    for (const [reason, state] of Object.entries(reasonStates)) fleet.commandsEnded.inc({ server, state, reason }, 0);
  }
  for (const state of ['delivered', 'dead'] as const) fleet.deliveriesEnded.inc({ state }, 0);
}

function setServer(fleet: FleetMetrics, status: ServerStatus): void {
  const { server, state, running } = status;
  fleet.queueLength.set({ server }, status.queued);
  fleet.queueOldest.set({ server }, Math.max(0, status.oldestQueuedMs ?? 0) / 1000);
  for (const each of serverStates) fleet.serverState.set({ server, state: each }, each === state ? 1 : 0);
  fleet.serverStateAge.set({ server }, (status.inStateMs ?? 0) / 1000);
  fleet.serverHasWorker.set({ server }, status.worker === null ? 0 : 1);
  fleet.running.set({ server }, Math.max(0, running?.runningMs ?? 0) / 1000);
  fleet.runningTimeout.set({ server }, running?.timeoutSeconds ?? 0);
  fleet.leaseChanges.remove({ server });
  fleet.leaseChanges.inc({ server }, status.epoch);
}

async function readDeliveries(fleet: FleetMetrics, totals: DeliveryTotals): Promise<void> {
  const { byAttempts, overdueSeconds } = await totals.pending();
  fleet.deliveriesPending.reset();
  for (const { attempts, count } of byAttempts) fleet.deliveriesPending.set({ attempts }, count);
  fleet.deliveriesOverdue.set(Math.max(0, overdueSeconds));
  const { attempts, ended } = await totals.attemptedSince();
  for (const { status, error, count } of attempts) {
    const result = status === null ? (error ?? 'unknown') : `${Math.floor(status / 100)}xx`;
    fleet.callbackAttempts.inc({ result }, count);
  }
  for (const { state, count } of ended) fleet.deliveriesEnded.inc({ state }, count);
}

/** @returns whether there is more to count */
async function countCommands(fleet: FleetMetrics, totals: CommandTotals): Promise<boolean> {
  const { ended, more } = await totals.endedSince();
  for (const { server, state, reason, runSeconds, waitSeconds } of ended) {
    fleet.commandsEnded.inc({ server, state, reason: reason ?? '' });
    if (runSeconds !== null) fleet.runTime.observe({ server }, runSeconds);
    if (waitSeconds !== null) fleet.waitTime.observe({ server }, Math.max(0, waitSeconds));
  }
  return more;
}

/** A gauge without labels would go back to 0, which says something. */
function forget(gauge: Gauge<string>): void {
  gauge.reset();
  gauge.remove({});
}
