/** What this web process measures of itself. Every label has few values: a path counts by its pattern. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { version } from './package.ts';

export type Metrics = ReturnType<typeof createMetrics>;

/** Requests that wait for a command, and event streams, last for minutes. */
const requestBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  measureProcess(registry);
  new Gauge({
    name: 'dokku_api_build_info',
    help: 'The version of this web process, as a label of the constant 1.',
    labelNames: ['version'],
    registers,
  }).set({ version }, 1);

  return {
    registry,
    requests: new Histogram({
      name: 'dokku_api_http_request_duration_seconds',
      help: 'Requests that this web process answered, from their first byte to the end of the answer, by the pattern of their path. Event streams and waits last as long as they do.',
      labelNames: ['method', 'route', 'status'],
      buckets: requestBuckets,
      registers,
    }),
    rateLimitFallbacks: new Counter({
      name: 'dokku_api_rate_limit_fallbacks_total',
      help: 'Failures of Redis to count a request of a key, for which this web process counted alone. None are tried for 5 s after one.',
      registers,
    }),
    announcementsFailed: new Counter({
      name: 'dokku_api_announcements_failed_total',
      help: 'Announcements of new and of changed commands (XADD, PUBLISH) of this web process that Redis did not take. Each costs up to 2 s, and nothing else.',
      registers,
    }),
    poolConnections: new Gauge({
      name: 'dokku_api_database_pool_connections',
      help: 'Connections of this web process to Postgres, by what they do.',
      labelNames: ['state'],
      registers,
    }),
    poolWaiting: new Gauge({
      name: 'dokku_api_database_pool_waiting',
      help: 'Queries of this web process that wait for a connection to Postgres.',
      registers,
    }),
    commandsWaitedFor: new Gauge({
      name: 'dokku_api_commands_waited_for',
      help: 'Commands whose end requests to this web process wait for (sync=true, ?wait= and event streams).',
      registers,
    }),
  };
}

/** The event loop, the collection of garbage, memory and processor, under the names that every dashboard of Node.js knows. */
function measureProcess(register: Registry): void {
  // Its own 10 ms wake an idle process a hundred times a second; the measured lag includes this interval.
  collectDefaultMetrics({ register, eventLoopMonitoringPrecision: 100 });
  // Sums of others, under names that only counters may have.
  for (const what of ['handles', 'requests', 'resources']) register.removeSingleMetric(`nodejs_active_${what}_total`);
}
