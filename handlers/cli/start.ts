/**
 * `npm start`: everything on one machine. What the environment does not name is started embedded and kept in `.local/`:
 * 1. Postgres, Redis, and a stand-in daemon where no socket is configured or found;
 * 2. migrations, then one web and one worker process, whose logs go to files;
 * 3. the first key, and a `curl` line that uses it;
 * 4. what doctor finds amiss;
 * 5. Ctrl-C, SIGTERM, or the end of one of them, stops all of it, in the reverse order.
 * Children notice the death of this process, so that `kill -9` leaves nothing for long.
 */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { migrate } from '../../db/release.ts';
import { readConfig } from '../../lib/config.ts';
import { ChildProcess } from '../../lib/local/child-process.ts';
import { startDaemon } from '../../lib/local/daemon.ts';
import { keepEnvironment } from '../../lib/local/kept-environment.ts';
import { keptSecretKey } from '../../lib/local/kept-secret.ts';
import { startPostgres } from '../../lib/local/postgres.ts';
import { startRedis } from '../../lib/local/redis.ts';
import { version } from '../../lib/package.ts';
import { diagnose } from './doctor/diagnose.ts';
import { placeOf } from './doctor/remedies.ts';
import { reportLines } from './doctor/report.ts';
import { firstKey } from './first-key.ts';
import { portComesFree } from './port-comes-free.ts';
import { Progress } from './progress.ts';

const folder = resolve('.local');

type Stop = () => Promise<unknown>;

/** Starts all of it; what runs is pushed onto `stops` as it comes up, so that a failure half-way ends it too. */
async function start(stops: Stop[], progress: Progress, signal: AbortSignal): Promise<ChildProcess[]> {
  const given = process.env;
  const { port } = readConfig(given, ['port']);
  const host = given.HOST || '127.0.0.1';
  await portComesFree(host, port);
  mkdirSync(join(folder, 'log'), { recursive: true, mode: 0o700 });
  const onProgress = (step: string) => progress.begin(step);
  const begin = (step: string) => {
    signal.throwIfAborted();
    progress.begin(step);
  };

  const postgres = given.DATABASE_URL ? null : await startPostgres({ folder: join(folder, 'postgres'), onProgress });
  if (postgres) stops.push(() => postgres.stop());
  begin('Starting Redis');
  const redis = given.REDIS_URL
    ? null
    : await startRedis({ folder: join(folder, 'redis'), cache: join(folder, 'cache'), onProgress });
  if (redis) stops.push(() => redis.stop());
  begin('Starting the daemon');
  const daemon = await startDaemon({ folder, configured: given.DOKKU_DAEMON_SOCKET });
  stops.push(() => daemon.stop());

  const environment = {
    ...given,
    DATABASE_URL: postgres?.url ?? given.DATABASE_URL ?? '',
    REDIS_URL: redis?.url ?? given.REDIS_URL ?? '',
    DOKKU_DAEMON_SOCKET: daemon.socketPath,
    SECRET_KEY: given.SECRET_KEY || keptSecretKey(folder),
    HOST: host,
    PORT: String(port),
  };
  keepEnvironment(folder, environment);
  const { databaseUrl, secretKeys } = readConfig(environment, ['databaseUrl', 'redisUrl', 'secretKeys']);
  begin('Applying migrations');
  await migrate(databaseUrl);
  begin('Starting web and worker');
  const web = new ChildProcess('web', 'handlers/server', environment, join(folder, 'log'));
  stops.push(() => web.stop());
  const worker = new ChildProcess('worker', 'worker/main', environment, join(folder, 'log'));
  stops.push(() => worker.stop());
  await Promise.all([web.logged('listening'), worker.logged('worker started')]);
  const key = await firstKey({ databaseUrl, secretKeys, folder });
  progress.end();

  const url = `http://${host}:${port}`;
  console.log(`
dokku-api ${version} is running. Ctrl-C stops all of it.

  API        ${url} (described at ${url}/docs)
  Console    ${url}/console (sign in with an admin key)
  Postgres   ${postgres ? `embedded, 127.0.0.1:${postgres.port}, data in .local/postgres` : 'as DATABASE_URL says'}
  Redis      ${redis ? `embedded, 127.0.0.1:${redis.port}, data in .local/redis` : 'as REDIS_URL says'}
  Daemon     ${daemon.isStandIn ? `STAND-IN, a make-believe Dokku: nothing is deployed. DOKKU_DAEMON_SOCKET names a real one` : daemon.socketPath}
  Logs       .local/log/web.log, .local/log/worker.log
${
  key === null
    ? `
There are keys in this database. A new one: npm run -s keys:generate`
    : `
API KEY: ${key.apiKey} | API SECRET: ${key.apiSecret}
(kept in .local/first-key.json; more keys: npm run -s keys:generate)

Run a command:

  curl -H 'Api-Key: ${key.apiKey}' -H 'Api-Secret: ${key.apiSecret}' -d cmd=apps:list -d sync=true ${url}/commands`
}
`);
  await tellFindings(environment);
  return [web, worker];
}

/** What doctor finds amiss, such as a daemon that does not answer. */
async function tellFindings(environment: NodeJS.ProcessEnv): Promise<void> {
  const findings = await diagnose({ environment, place: placeOf(process.env, environment), workerPatienceMs: 5000 });
  const amiss = findings.filter(({ status }) => status !== 'ok');
  const colored = process.stdout.isTTY && !process.env.NO_COLOR;
  for (const finding of amiss) console.log(reportLines(finding, { colored }));
  if (amiss.length === 0) console.log('npm run -s doctor: everything is in order.');
}

const stops: Stop[] = [];
const progress = new Progress(process.stdout);
const interruption = new AbortController();
const interrupted = new Promise<null>((resolveInterrupted) => {
  interruption.signal.addEventListener('abort', () => resolveInterrupted(null));
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interruption.abort());

try {
  const running = await start(stops, progress, interruption.signal);
  const ended = await Promise.race([...running.map((child) => child.ended), interrupted]);
  if (ended !== null) throw new Error(ended);
} catch (error) {
  if (!interruption.signal.aborted) {
    progress.end();
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
} finally {
  progress.begin('Stopping');
  for (const end of stops.reverse()) await end();
  progress.end();
}
