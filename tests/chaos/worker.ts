/**
 * The worker process of the chaos runs: the worker itself, as `worker/main.ts` starts it, that tells of each step of a
 * run in a file, strikes itself down at a step when ordered to, and in the tests of the checker breaks one promise.
 */
import { openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { connectDatabase, type Database } from '../../db/client.ts';
import { readConfig } from '../../lib/config.ts';
import { createLog } from '../../lib/log.ts';
import { type RunPhase, type WorkerContext, workerSettings } from '../../worker/context.ts';
import { runWorker } from '../../worker/worker.ts';
import { monotonicMs } from './clock.ts';
import { type MutationName, mutations } from './mutations.ts';
import { takeOrder } from './orders.ts';
import { type PhaseEntry, shortestStallMs } from './records.ts';

const { CHAOS_FOLDER: folder = '', CHAOS_PROCESS: number = '', CHAOS_MUTATION: mutation } = process.env;

const config = readConfig(process.env, workerSettings);

const steps = openSync(join(folder, `steps-${number}.jsonl`), 'a');
const looks = [monotonicMs(), monotonicMs()];

function look(): number {
  looks.push(monotonicMs());
  looks.shift();
  return performance.now();
}

function passStep(phase: RunPhase, row: { token: string; server: string; epoch: number | null } | null): void {
  const at = monotonicMs();
  const signal = takeOrder(folder, phase, number);
  const entry: PhaseEntry = {
    at,
    process: Number(number),
    phase,
    token: row?.token ?? null,
    server: row?.server ?? null,
    epoch: row?.epoch ?? null,
    // A send looks at the lease, and then at the time to measure from.
    lookedAt: phase === 'sent' ? (looks[0] ?? null) : null,
    signal,
  };
  writeSync(steps, `${JSON.stringify(entry)}\n`);
  if (signal !== null) process.kill(process.pid, signal);
}

/**
 * Tells of every time in which this process did not run, by a signal or for want of a processor; and in a file when it
 * last did, as one that is killed meanwhile cannot tell.
 */
function watchStalls(everyMs: number): void {
  const sign = openSync(join(folder, `sign-${number}`), 'w');
  let last = monotonicMs();
  setInterval(() => {
    const now = monotonicMs();
    if (now - last > shortestStallMs) writeSync(steps, `${JSON.stringify({ stalledFrom: last, until: now })}\n`);
    last = now;
    writeSync(sign, String(now), 0);
  }, everyMs).unref();
}

/** For what a mutation does to the tables behind the worker's back. */
let database: Database | undefined;

function adapt(context: WorkerContext): WorkerContext {
  const watched = { ...context, now: look, onPhase: passStep };
  if (mutation === undefined) return watched;
  database = connectDatabase(config.databaseUrl, { maximum: 2, onError: () => undefined });
  return { ...watched, ...mutations[mutation as MutationName](watched, database) };
}

const log = createLog('worker', config.logLevel);
const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());
const onFatal = (error: unknown) => {
  log.fatal({ err: error }, 'worker ends: what it had in hand is left to a successor');
  process.exit(1);
};
process.on('unhandledRejection', onFatal);
watchStalls(100);
const removedAfterMs = Number(process.env.REMOVED_AFTER_MS);
await runWorker({ config, log, stopping: stop.signal, onFatal, adapt, removedAfterMs }).catch(onFatal);
await database?.$client.end();
