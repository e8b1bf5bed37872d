/** A Redis that is one of several: a replica, a Sentinel, a node of a cluster, and what follows the primary. */
import { execFileSync } from 'node:child_process';
import { Redis } from 'ioredis';
import { beforeAll, expect, test } from 'vitest';
import { createInstallation, type Installation } from '../support/installation.ts';
import { instantWakeups, runInSync } from '../support/instant-wakeups.ts';
import { waitFor } from '../support/process.ts';
import { consult } from './doctor.ts';
import { startHaProxy } from './haproxy.ts';
import { type RedisServer, startRedisServer } from './redis-server.ts';
import { withProcesses } from './with-processes.ts';

const slower = 'commands run all the same, each up to 2 s later';
const password = 'correct-horse';

let installation: Installation;

beforeAll(async () => {
  installation = await createInstallation();
});

const envOf = (url: string) => ({ ...installation.env, REDIS_URL: url });

/** What a person makes of `… → export REDIS_URL=…PASSWORD…`. */
function urlIn(said: string): string {
  return said.replace(/.* → export REDIS_URL=/, '').replace('PASSWORD', password);
}

/** Commands run with it as if there were no Redis, and the probe and the log say that there is none of use. */
async function runWithout(url: string, code: string): Promise<void> {
  await withProcesses(installation, envOf(url), async ({ web }) => {
    for (let runs = 0; runs < 5; runs++) expect(await runInSync(web)).toBeLessThan(3000);
    const readiness = await fetch(`${web.url}/readyz`);
    expect([readiness.status, await readiness.json()]).toMatchObject([200, { redis: 'degraded', postgres: 'ok' }]);
    const says = await web.process.waitForLog(({ msg }) => String(msg).startsWith('Redis counted no request'));
    expect(says.code).toBe(code);
  });
}

/** A primary, its replica, and a Sentinel that watches them. */
async function startWatched() {
  const secret = [`requirepass ${password}`, `masterauth ${password}`];
  const primary = await startRedisServer(secret);
  const replica = await startRedisServer([...secret, `replicaof 127.0.0.1 ${primary.port}`]);
  const sentinel = await startRedisServer(
    [
      `sentinel monitor ours 127.0.0.1 ${primary.port} 1`,
      `sentinel auth-pass ours ${password}`,
      'sentinel down-after-milliseconds ours 1000',
      'sentinel failover-timeout ours 10000',
    ],
    { sentinel: true },
  );
  const asked = new Redis(`redis://${sentinel.place}`);
  await waitFor(async () => ((await asked.call('SENTINEL', 'REPLICAS', 'ours')) as unknown[]).length === 1, {
    timeout: 30_000,
    describe: 'the Sentinel to know the replica',
  });
  asked.disconnect();
  return { primary, replica, sentinel };
}

test('a replica, and a Sentinel: named as what they are, with the primary', async () => {
  const { primary, replica, sentinel } = await startWatched();
  const remedy = `export REDIS_URL=redis://default:PASSWORD@${primary.place}`;
  const ofReplica = await consult(envOf(`redis://:${password}@${replica.place}`), 'Redis');
  expect(ofReplica).toBe(
    `warning Redis redis://${replica.place}: it is a replica, which takes no writes; ${slower} → ${remedy}`,
  );
  const ofSentinel = await consult(envOf(`redis://${sentinel.place}`), 'Redis');
  expect(ofSentinel).toBe(
    `warning Redis redis://${sentinel.place}: it is a Sentinel: REDIS_URL names the primary, or a proxy that follows it; ${slower} → ${remedy}`,
  );
  expect(await consult(envOf(urlIn(ofSentinel)), 'Redis')).toBe(`ok Redis takes writes at redis://${primary.place}`);
  await runWithout(`redis://:${password}@${replica.place}`, 'READONLY');
  await runWithout(`redis://${sentinel.place}`, 'ERR');
});

test('a proxy that follows the primary: a failover by the Sentinel costs no command, and wake-ups come back', async () => {
  const { primary, replica } = await startWatched();
  const place = await startHaProxy([primary.place, replica.place], password);
  const env = envOf(`redis://:${password}@${place}`);
  await withProcesses(installation, env, async ({ web }) => {
    const well = `ok Redis takes writes at redis://${place}`;
    await expect.poll(() => consult(env, 'Redis'), { timeout: 20_000 }).toBe(well);
    await instantWakeups(web);

    await primary.program.stop('SIGKILL');
    const promoted = new Redis(`redis://:${password}@${replica.place}`);
    for (let runs = 0; runs < 3; runs++) expect(await runInSync(web)).toBeLessThan(3000);
    await waitFor(async () => (await promoted.info('replication')).includes('role:master'), {
      timeout: 30_000,
      describe: 'the replica to be the primary',
    });
    promoted.disconnect();
    await instantWakeups(web, 30_000);
    expect(await consult(env, 'Redis')).toBe(well);
  });
});

async function startCluster(): Promise<RedisServer[]> {
  const node = () => startRedisServer(['cluster-enabled yes', `requirepass ${password}`, `masterauth ${password}`]);
  const nodes = await Promise.all([node(), node(), node()]);
  const places = nodes.map(({ place }) => place);
  const options = ['--cluster', 'create', ...places, '--cluster-replicas', '0', '--cluster-yes'];
  execFileSync('/usr/bin/redis-cli', options, { env: { REDISCLI_AUTH: password }, stdio: 'ignore' });
  return nodes;
}

test('a node of a cluster: of use where it has our keys; the others name the one that has', async () => {
  const nodes = await startCluster();
  const said = await Promise.all(
    nodes.map(async ({ place }) => ({ place, says: await consult(envOf(`redis://:${password}@${place}`), 'Redis') })),
  );
  const holders = said.filter(({ says }) => says.startsWith('ok'));
  expect(holders).toHaveLength(1);
  const holder = holders[0]?.place;
  const others = said.filter(({ place }) => place !== holder);
  for (const { place, says } of others) {
    expect(says).toBe(
      `warning Redis redis://${place}: it is a node of a Redis Cluster, and the one that has our keys is ${holder}; ${slower} → export REDIS_URL=redis://default:PASSWORD@${holder}`,
    );
    expect(urlIn(says)).toBe(`redis://default:${password}@${holder}`);
  }
  await runWithout(`redis://:${password}@${others[0]?.place}`, 'MOVED');
  await withProcesses(installation, envOf(`redis://:${password}@${holder}`), ({ web }) => instantWakeups(web));
});

test('a node of a cluster in which no node has our keys', async () => {
  const node = await startRedisServer(['cluster-enabled yes', `requirepass ${password}`]);
  const url = `redis://:${password}@${node.place}`;
  expect(await consult(envOf(url), 'Redis')).toBe(
    `warning Redis redis://${node.place}: it is a node of a Redis Cluster in which no node has our keys; ${slower} → export REDIS_URL=redis://default:PASSWORD@HOST:6379`,
  );
  await runWithout(url, 'CLUSTERDOWN');
});
