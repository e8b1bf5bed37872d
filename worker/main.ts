/**
 * The worker process:
 * 1. reads its settings, and ends with one line where one is wrong;
 * 2. makes itself known, and takes leases of servers as its share is;
 * 3. per server runs the oldest queued command, one at a time, and stores how it ended;
 * 4. sends due callbacks, and sweeps what nobody holds;
 * 5. at SIGTERM or SIGINT takes nothing new, reads on for what runs, releases its leases, ends with 0. A second signal
 *    changes nothing.
 * An error that nobody handles ends the process with 1: what it had in hand is `lost` to the successor, never sent again.
 */
import { ConfigError, readConfig } from '../lib/config.ts';
import { createLog } from '../lib/log.ts';
import { workerSettings } from './context.ts';
import { runWorker } from './worker.ts';

try {
  const config = readConfig(process.env, workerSettings);
  const log = createLog('worker', config.logLevel);
  const stop = new AbortController();
  // `disconnect`: the process that started this one with a channel to it, as `npm start` does, is gone.
  for (const event of ['SIGTERM', 'SIGINT', 'disconnect'] as const) process.on(event, () => stop.abort());
  const onFatal = (error: unknown) => {
    log.fatal({ err: error }, 'worker ends: what it had in hand is left to a successor');
    process.exit(1);
  };
  // Node itself would print all that an error holds, parameters of statements included.
  process.on('unhandledRejection', onFatal).on('uncaughtException', onFatal);
  process.channel?.unref();
  await runWorker({ config, log, stopping: stop.signal, onFatal }).catch(onFatal);
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
