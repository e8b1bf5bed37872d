/**
 * The web process:
 * 1. reads its settings, and ends with one line where one is wrong;
 * 2. listens, whether Postgres and Redis are there or not;
 * 3. at SIGTERM or SIGINT takes no more connections, ends streams and waits with the present state, finishes its answers
 *    and ends with 0. A second signal changes nothing.
 * An error that nobody handles ends the process with 1.
 */
import { setMaxListeners } from 'node:events';
import { ConfigError, readConfig, settingNames } from '../lib/config.ts';
import { createLog } from '../lib/log.ts';
import { createApp } from './app.ts';
import { connectDependencies } from './dependencies.ts';
import { describeError } from './error-report.ts';
import { standardTiming } from './factory.ts';
import { startWebServer } from './web-server.ts';

/** Why nothing can listen there, in a line that says what to do. */
function listenProblem(error: unknown, host: string, port: number): string | null {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'EADDRINUSE':
      return `Port ${port} of ${host} is taken: stop what listens there, or set PORT to another one`;
    case 'EACCES':
      return `Port ${port} of ${host} is not for this user: set PORT to one above 1023`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `${host} is no address of this machine: set HOST to one, or to 0.0.0.0 for all`;
    default:
      return null;
  }
}

async function serve(): Promise<void> {
  const config = readConfig(process.env, settingNames);
  const log = createLog('web', config.logLevel);
  const stop = new AbortController();
  // Each request that lasts listens to it.
  setMaxListeners(0, stop.signal);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());
  const onFatal = (error: unknown) => {
    log.fatal(describeError(error), 'web ends by an error that nobody handles');
    process.exit(1);
  };
  // Node itself would print all that an error holds, parameters of statements included.
  process.on('unhandledRejection', onFatal).on('uncaughtException', onFatal);
  const now = () => performance.now();
  const deps = connectDependencies({ config, log, now, timing: standardTiming, stopping: stop.signal });
  try {
    const { port, closed } = await startWebServer(createApp(deps), deps);
    log.info({ port, host: config.host }, 'listening');
    await closed;
    log.info('web stopped');
  } catch (error) {
    const problem = listenProblem(error, config.host, config.port);
    if (problem === null) throw error;
    process.stderr.write(`${problem}\n`);
    process.exitCode = 1;
  } finally {
    await deps.close();
  }
}

await serve().catch((error: unknown) => {
  if (!(error instanceof ConfigError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
