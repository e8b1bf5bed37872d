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

/** What is measured all the time, and what is read when it is scraped: all of `collectDefaultMetrics`, in two parts. */
const measured = ['eventLoopLag', 'gc'];
const read = [
  'processStartTime',
  'osMemoryHeap',
  'processOpenFileDescriptors',
  'processMaxFileDescriptors',
  'processResources',
  'processHandles',
  'processRequests',
  'heapSizeAndUsed',
  'heapSpacesSizeAndUsed',
  'version',
];

function collect(registry: prometheus.Registry, names: readonly string[]): void {
  for (const name of names) {
    const register: Collect = require(`prom-client/lib/metrics/${name}`);
    // Its own 10 ms wake an idle process a hundred times a second; the measured lag includes this interval.
    register(registry, { eventLoopMonitoringPrecision: 100 });
  }
}

/** Begins to measure the event loop and the collection of garbage, under the names that every dashboard of Node.js knows. */
export function measureProcess(registry: prometheus.Registry): void {
  collect(registry, measured);
}

/** Registers what a scrape reads of the process, under such names. Once, before the first scrape. */
export function readProcess(registry: prometheus.Registry): void {
  collect(registry, read);
  // Sums of others, under names that only counters may have.
  for (const what of ['handles', 'requests', 'resources']) registry.removeSingleMetric(`nodejs_active_${what}_total`);
  readProcessor(registry);
}

/** The processor's time since the process began: what prom-client has for it loads OpenTelemetry. */
function readProcessor(registry: prometheus.Registry): void {
  const readPart = (name: string, what: string, microseconds: (usage: NodeJS.CpuUsage) => number) =>
    new Counter({
      name: `process_cpu_${name}`,
      help: `Total ${what} CPU time spent in seconds.`,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(microseconds(process.cpuUsage()) / 1e6);
      },
    });
  readPart('user_seconds_total', 'user', ({ user }) => user);
  readPart('system_seconds_total', 'system', ({ system }) => system);
  readPart('seconds_total', 'user and system', ({ user, system }) => user + system);
}
