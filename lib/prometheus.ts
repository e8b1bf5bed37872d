/**
 * The parts of prom-client that are used. Its index loads OpenTelemetry's API, a push gateway and a cluster's registry
 * as well, for which every start would wait; single files are had by `require`, as the index has them.
 */
import { createRequire } from 'node:module';
import type * as prometheus from 'prom-client';

const require = createRequire(import.meta.url);

export const Counter: typeof prometheus.Counter = require('prom-client/lib/counter');
export const Gauge: typeof prometheus.Gauge = require('prom-client/lib/gauge');
export const Histogram: typeof prometheus.Histogram = require('prom-client/lib/histogram');
export const Registry: typeof prometheus.Registry = require('prom-client/lib/registry');

type Collect = (registry: prometheus.Registry, options: { eventLoopMonitoringPrecision: number }) => void;

/** What `collectDefaultMetrics` measures, but for the processor's time, which needs OpenTelemetry. */
const measures = [
  'processStartTime',
  'osMemoryHeap',
  'processOpenFileDescriptors',
  'processMaxFileDescriptors',
  'eventLoopLag',
  'processResources',
  'processHandles',
  'processRequests',
  'heapSizeAndUsed',
  'heapSpacesSizeAndUsed',
  'version',
  'gc',
].map((name): Collect => require(`prom-client/lib/metrics/${name}`));

/** Registers what prom-client measures of a process, under the names that every dashboard of Node.js knows. */
export function collectProcessMetrics(registry: prometheus.Registry): void {
  measureProcessor(registry);
  // Its own 10 ms wake an idle process a hundred times a second; the measured lag includes this interval.
  for (const collect of measures) collect(registry, { eventLoopMonitoringPrecision: 100 });
  // Sums of others, under names that only counters may have.
  for (const what of ['handles', 'requests', 'resources']) registry.removeSingleMetric(`nodejs_active_${what}_total`);
}

/** The processor's time since the process began, read at each scrape. */
function measureProcessor(registry: prometheus.Registry): void {
  const measure = (name: string, what: string, microseconds: (usage: NodeJS.CpuUsage) => number) =>
    new Counter({
      name: `process_cpu_${name}`,
      help: `Total ${what} CPU time spent in seconds.`,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(microseconds(process.cpuUsage()) / 1e6);
      },
    });
  measure('user_seconds_total', 'user', ({ user }) => user);
  measure('system_seconds_total', 'system', ({ system }) => system);
  measure('seconds_total', 'user and system', ({ user, system }) => user + system);
}
