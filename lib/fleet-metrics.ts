/**
 * What is measured of all workers and web processes together. It is read from Postgres and Redis, so that every web
 * process says the same: take the maximum over instances, never the sum.
 */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export type FleetMetrics = ReturnType<typeof createFleetMetrics>;

const secondsBuckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600, 1800, 3600];
const alike = 'Read from Postgres: every web process says the same.';
const counted =
  'Counted from Postgres since the first scrape of this web process, in which it is 0: every one counts all of them.';

export function createFleetMetrics(registry: Registry) {
  const registers = [registry];
  const gauge = <Label extends string>(name: string, help: string, labelNames: Label[] = []) =>
    new Gauge<Label>({ name: `dokku_api_${name}`, help, labelNames, registers });
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[]) =>
    new Counter<Label>({ name: `dokku_api_${name}`, help, labelNames, registers });

  const metrics = {
    dependencyUp: gauge(
      'dependency_up',
      'Whether Postgres and Redis answered this web process at the last look: 1 or 0. What is read from one that did not is left out.',
      ['dependency'],
    ),
    queueLength: gauge('queue_length', `Commands that wait, counted up to 100000. ${alike}`, ['server']),
    queueOldest: gauge(
      'queue_oldest_seconds',
      `How long the next command of the queue has waited; 0 where none does. ${alike}`,
      ['server'],
    ),
    serverState: gauge('server_state', `1 for the state that the server is in, 0 for the others. ${alike}`, [
      'server',
      'state',
    ]),
    serverStateAge: gauge('server_state_seconds', `For how long the server has been in its state. ${alike}`, [
      'server',
    ]),
    serverHasWorker: gauge('server_has_worker', `1 where a live worker runs the server's commands, else 0. ${alike}`, [
      'server',
    ]),
    running: gauge('running_command_seconds', `How long the running command has run; 0 where none does. ${alike}`, [
      'server',
    ]),
    runningTimeout: gauge(
      'running_command_timeout_seconds',
      `How long the running command may run; 0 where none runs. ${alike}`,
      ['server'],
    ),
    leaseChanges: counter(
      'lease_changes_total',
      `How often a worker took the server over, since the server is known. ${alike}`,
      ['server'],
    ),
    liveWorkers: gauge('live_workers', `Workers that gave a sign of life within the time of a lease. ${alike}`),
    commandsEnded: counter(
      'commands_ended_total',
      `Commands that became final, by state and, where it is not the daemon's answer that decided, by reason. ${counted}`,
      ['server', 'state', 'reason'],
    ),
    runTime: new Histogram({
      name: 'dokku_api_command_run_seconds',
      help: `How long ended commands ran. ${counted}`,
      labelNames: ['server'],
      buckets: secondsBuckets,
      registers,
    }),
    waitTime: new Histogram({
      name: 'dokku_api_command_wait_seconds',
      help: `How long ended commands had waited, from being accepted to being sent. ${counted}`,
      labelNames: ['server'],
      buckets: secondsBuckets,
      registers,
    }),
    deliveriesPending: gauge(
      'deliveries_pending',
      `Callbacks on their way, by the attempts made so far; up to 50000 of them are counted. ${alike}`,
      ['attempts'],
    ),
    deliveriesOverdue: gauge(
      'deliveries_overdue_seconds',
      `For how long the callback that is due first has been due; 0 where none is. ${alike}`,
    ),
    deliveriesEnded: counter('deliveries_ended_total', `Callbacks that ended, delivered or dead. ${counted}`, [
      'state',
    ]),
    callbackAttempts: counter(
      'callback_attempts_total',
      `Attempts at callbacks, by the class of their answer or why there was none. ${counted}`,
      ['result'],
    ),
    streamUnread: gauge(
      'stream_unread_entries',
      "Entries of the server's stream that no worker has read; left out where Redis cannot tell. Read from Redis.",
      ['server'],
    ),
    streamUnreadAge: gauge(
      'stream_unread_seconds',
      "How old the first entry of the server's stream is that no worker has read; 0 where all are read. Read from Redis.",
      ['server'],
    ),
    streamMalformed: counter(
      'stream_malformed_entries_total',
      "Entries read from the server's stream that dokku-api did not write so. Begins anew when Redis is emptied. Read from Redis.",
      ['server'],
    ),
  };
  return {
    ...metrics,
    /** What says nothing while Postgres, or Redis, is away. */
    fromPostgres: [
      metrics.queueLength,
      metrics.queueOldest,
      metrics.serverState,
      metrics.serverStateAge,
      metrics.serverHasWorker,
      metrics.running,
      metrics.runningTimeout,
      metrics.liveWorkers,
      metrics.deliveriesPending,
      metrics.deliveriesOverdue,
    ] as Gauge[],
    fromRedis: [metrics.streamUnread, metrics.streamUnreadAge] as Gauge[],
  };
}
