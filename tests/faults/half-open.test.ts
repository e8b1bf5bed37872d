/** The network swallows every packet while connections stay open. What lost a packet stays dead when it is back. */
import { beforeAll, expect, test } from 'vitest';
import { createInstallation, type Web } from '../support/installation.ts';
import { instantWakeups } from '../support/instant-wakeups.ts';
import { type TestProcess, waitFor } from '../support/process.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import type { StandIn } from '../support/stand-in.ts';
import { timed } from '../support/timed.ts';

const noticedWithinMs = 10_000;
/** Well within the half minute after which a process is killed. */
const stopsWithinMs = 20_000;

/** The tests run at once, each with processes of its own. */
let forPostgres: Awaited<ReturnType<typeof install>>;
let forRedis: Awaited<ReturnType<typeof install>>;
let forStopping: Awaited<ReturnType<typeof install>>;

beforeAll(async () => {
  [forPostgres, forRedis, forStopping] = await Promise.all([install(), install(), install()]);
});

/** `webs` are two, for two ways of being half-open. */
async function install() {
  const installation = await createInstallation();
  const { databaseUrl, redis } = installation;
  const toRedis = await startProxy({ target: redis.url });
  const start = async <Process>(how: (env: Record<string, string>) => Promise<Process>) => {
    const postgres = await startProxy({ target: databaseUrl });
    const env = { DATABASE_URL: postgres.url(databaseUrl), REDIS_URL: toRedis.url(redis.url) };
    return { process: await how(env), postgres };
  };
  const [worker, ...webs] = await Promise.all([
    start(installation.startWorker),
    start(installation.startWeb),
    start(installation.startWeb),
  ] as const);
  return { daemon: installation.daemons.get('default') as StandIn, toRedis, worker, webs };
}

/** Has a web process open all the connections that its pool may have, and leaves them idle. */
async function fillPool({ process, postgres }: { process: Web; postgres: TestProxy }) {
  postgres.delay = 50;
  // Some of each are asked one by one, whatever others share.
  const paths = Array.from({ length: 15 }, () => ['/commands?limit=1', '/servers']).flat();
  await Promise.all(paths.map(async (path) => await (await process.get(path)).text()));
  postgres.delay = 0;
  expect(postgres.connections).toBeGreaterThanOrEqual(10);
}

test.concurrent('Postgres: noticed within 10 s, nothing is sent meanwhile, and left behind once the network is back', async () => {
  const {
    daemon,
    worker,
    webs: [dropped, stranded],
    webs,
  } = forPostgres;
  await Promise.all(webs.map(fillPool));

  const allPacketsOfWeb = async () => {
    dropped.postgres.drop();
    const refused = await timed(dropped.process.post('/commands', { cmd: 'config:set api HALF_OPEN=refused' }));
    expect(refused.ms).toBeLessThan(noticedWithinMs);
    expect(refused.result.status).toBe(503);
    expect(await refused.result.json()).toMatchObject({ code: 'database_unavailable' });
    dropped.postgres.resume();
    const after = await timed(dropped.process.accept({ cmd: 'config:set api HALF_OPEN=dropped' }));
    expect(after.ms).toBeLessThan(noticedWithinMs);
    return after.result;
  };
  const allConnectionsOfWeb = async () => {
    stranded.postgres.strand();
    const { result, ms } = await timed(
      waitFor(() => stranded.process.accept({ cmd: 'config:set api HALF_OPEN=stranded' }), {
        describe: 'an answer by a new connection',
      }),
    );
    expect(ms).toBeLessThan(noticedWithinMs);
    return result;
  };
  const allPacketsOfWorker = async () => {
    worker.postgres.drop();
    await waitFor(() => worker.process.entries().find(({ msg }) => msg === 'beat failed'), {
      timeout: noticedWithinMs,
      describe: 'a beat to fail',
    });
  };

  const [, ...accepted] = await Promise.all([allPacketsOfWorker(), allPacketsOfWeb(), allConnectionsOfWeb()]);
  for (const { command } of accepted) expect(daemon.timesSent(command)).toBe(0);
  worker.postgres.resume();
  const { ms } = await timed(Promise.all(accepted.map(({ token }) => dropped.process.final(token))));
  expect(ms).toBeLessThan(noticedWithinMs);
  for (const { command } of accepted) expect(daemon.timesSent(command)).toBe(1);
  expect(daemon.timesSent('config:set api HALF_OPEN=refused')).toBe(0);
});

test.concurrent('Redis: noticed within 10 s, in nobody’s way meanwhile, and left behind once the network is back', async () => {
  const {
    daemon,
    toRedis,
    worker,
    webs,
    webs: [{ process: web }],
  } = forRedis;
  const saysAway = (process: TestProcess) => process.entries().some(({ msg }) => msg === 'Redis is out of reach');
  await instantWakeups(web);
  toRedis.drop();
  const dropped = performance.now();
  for (let count = 0; count < 5; count++) {
    const { result, ms } = await timed(web.accept({ cmd: `config:set api DROPPED=${count}` }));
    expect(ms).toBeLessThan(1000);
    const end = await timed(web.final(result.token));
    expect(end.ms).toBeLessThan(2000);
    expect(daemon.timesSent(result.command)).toBe(1);
  }
  await waitFor(() => saysAway(worker.process) && webs.every(({ process }) => saysAway(process.process)), {
    describe: 'all to say that Redis is out of reach',
  });
  expect(performance.now() - dropped).toBeLessThan(noticedWithinMs);
  toRedis.resume();
  await instantWakeups(web, noticedWithinMs);
});

test.concurrent('both: who is told to stop meanwhile ends with 0 all the same', async () => {
  const {
    toRedis,
    worker,
    webs: [web],
  } = forStopping;
  await fillPool(web);
  for (const proxy of [web.postgres, worker.postgres, toRedis]) proxy.drop();
  const ends = [web.process.process, worker.process].map(async (process) => {
    process.signal('SIGTERM');
    return await timed(process.exit);
  });
  for (const { result, ms } of await Promise.all(ends)) {
    expect(result).toEqual({ code: 0, signal: null });
    expect(ms).toBeLessThan(stopsWithinMs);
  }
});
