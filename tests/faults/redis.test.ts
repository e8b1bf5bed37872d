/** Redis is emptied, restarted, away or wedged while a hundred commands are queued. */
import { Redis } from 'ioredis';
import { beforeAll, describe, expect, test } from 'vitest';
import type { WireCommand } from '../../lib/command.ts';
import { streamKey } from '../../lib/wakeups.ts';
import { holdAnswer } from '../support/held-message.ts';
import { createInstallation, type Web } from '../support/installation.ts';
import { instantMs, instantWakeups, runInSync } from '../support/instant-wakeups.ts';
import { startProxy } from '../support/proxy.ts';
import type { StandIn } from '../support/stand-in.ts';
import { timed } from '../support/timed.ts';

/** The tests run at once, each with processes of its own. */
const installations: Awaited<ReturnType<typeof install>>[] = [];

beforeAll(async () => {
  installations.push(...(await Promise.all([install(), install(), install()])));
});

/** `toRedis` is between the web process and Redis. */
async function install() {
  const installation = await createInstallation();
  const { redis } = installation;
  const toRedis = await startProxy({ target: redis.url });
  const [web] = await Promise.all([
    installation.startWeb({ REDIS_URL: toRedis.url(redis.url) }),
    installation.startWorker(),
  ]);
  return { web, redis, toRedis, daemon: installation.daemons.get('default') as StandIn };
}

function takeInstallation() {
  const installation = installations.pop();
  if (installation === undefined) throw new Error('there are more tests than installations');
  return installation;
}

/** Accepts so many, one after the other, each within a second. */
async function acceptMany(web: Web, name: string, from: number, to: number): Promise<WireCommand[]> {
  const accepted: WireCommand[] = [];
  for (let index = from; index < to; index++) {
    const { result, ms } = await timed(web.accept({ cmd: `config:set api ${name}=${index}` }));
    expect(ms).toBeLessThan(1000);
    accepted.push(result);
  }
  return accepted;
}

type Fault = { begin: () => Promise<void> | void; end?: () => Promise<void> | void };

/**
 * A hundred are queued, half of them before the fault begins and half of them in it, which ends once all have run: each
 * once, in order. Then wake-ups are instant again.
 */
async function survives({ web, daemon }: { web: Web; daemon: StandIn }, name: string, fault: Fault) {
  await instantWakeups(web);
  const hold = await daemon.hold(`config:set api ${name}=0`);
  const accepted = await acceptMany(web, name, 0, 50);
  await hold.held();
  await fault.begin();
  accepted.push(...(await acceptMany(web, name, 50, 100)));
  await hold.release();
  for (const { token } of accepted) expect(await web.final(token)).toMatchObject({ state: 'succeeded' });
  const lines = daemon.runs().map(({ line }) => line);
  expect(lines.filter((line) => line.includes(`${name}=`))).toEqual(accepted.map(({ command }) => command));
  // On an idle server now: run and answered at most 2 s later than otherwise.
  expect(await runInSync(web)).toBeLessThan(2000 + instantMs);
  await acceptMany(web, `${name}_IDLE`, 0, 5);
  await fault.end?.();
  await instantWakeups(web);
}

describe.concurrent('a hundred queued: accepted within a second each, run once and in order; then wake-ups are instant', {
  timeout: 60_000,
}, () => {
  test('FLUSHALL, then a restart without persistence', async () => {
    const parts = takeInstallation();
    await survives(parts, 'FLUSHED', { begin: () => parts.redis.flush() });
    await survives(parts, 'RESTARTED', { begin: () => parts.redis.restart() });
  });

  test('away for as long as a hundred commands take, then wedged: it takes connections and never answers', async () => {
    const parts = takeInstallation();
    await survives(parts, 'AWAY', { begin: () => parts.redis.kill('SIGKILL'), end: () => parts.redis.restart() });
    await survives(parts, 'WEDGED', { begin: () => parts.redis.pause(), end: () => parts.redis.resume() });
  });

  test('XADD was done and its reply lost: announced once, sent once', async () => {
    const { web, redis, toRedis, daemon } = takeInstallation();
    await instantWakeups(web);
    const client = new Redis(redis.url);
    await client.del(streamKey('default'));
    const answer = holdAnswer(toRedis, 'xadd');
    const accepting = timed(web.accept({ cmd: 'config:set api ANNOUNCED=in-doubt' }));
    await answer.reached;
    expect(await client.xlen(streamKey('default'))).toBe(1);
    answer.settle('cut');
    const { result, ms } = await accepting;
    expect(ms).toBeLessThan(1000);
    expect(await web.final(result.token)).toMatchObject({ state: 'succeeded' });
    await instantWakeups(web);
    const announced = (await client.xrange(streamKey('default'), '-', '+')).flatMap(([, fields]) => fields);
    expect(announced.filter((field) => field === result.token)).toHaveLength(1);
    expect(daemon.timesSent('config:set api ANNOUNCED=in-doubt')).toBe(1);
    client.disconnect();
  });
});
