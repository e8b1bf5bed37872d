/** The worker process, but that it takes a server for removed after `REMOVED_AFTER_MS` in place of a minute. */
import { readConfig } from '../../lib/config.ts';
import { createLog } from '../../lib/log.ts';
import { workerSettings } from '../../worker/context.ts';
import { runWorker } from '../../worker/worker.ts';

const config = readConfig(process.env, workerSettings);
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());
await runWorker({
  config,
  log: createLog('worker', config.logLevel),
  stopping: stop.signal,
  onFatal: (error) => {
    throw error;
  },
  removedAfterMs: Number(process.env.REMOVED_AFTER_MS),
});
