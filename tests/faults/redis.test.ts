/** Redis is emptied, restarted, away or wedged while a hundred commands are queued. */
import { Redis } from 'ioredis';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { WireCommand } from '../../lib/command.ts';
import { streamKey } from '../../lib/wakeups.ts';
import { holdAnswer } from '../support/held-message.ts';
import { createInstallation, type Installation, type Web } from '../support/installation.ts';
import { instantMs, instantWakeups, runInSync } from '../support/instant-wakeups.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import type { StandIn } from '../support/stand-in.ts';
import { timed } from '../support/timed.ts';

let installation: Installation;
let web: Web;
let daemon: StandIn;
/** Between the web process and Redis. */
let toRedis: TestProxy;

beforeAll(async () => {
  installation = await createInstallation();
  daemon = installation.daemons.get('default') as StandIn;
  toRedis = await startProxy({ target: installation.redis.url });
  [web] = await Promise.all([
    installation.startWeb({ REDIS_URL: toRedis.url(installation.redis.url) }),
    installation.startWorker(),
  ]);
  await instantWakeups(web);
});

afterEach(async () => await daemon.reset());

/** Accepts so many, one after the other, each within a second. */
async function acceptMany(name: string, from: number, to: number): Promise<WireCommand[]> {
  const accepted: WireCommand[] = [];
  for (let index = from; index < to; index++) {
    const { result, ms } = await timed(web.accept({ cmd: `config:set api ${name}=${index}` }));
    expect(ms).toBeLessThan(1000);
    accepted.push(result);
  }
  return accepted;
}

/** A hundred queued, half of them before the fault begins and half of them in it; it ends once all have run. */
async function survives(name: string, fault: { begin: () => Promise<void> | void; end?: () => Promise<void> | void }) {
  const hold = await daemon.hold(`config:set api ${name}=0`);
  const accepted = await acceptMany(name, 0, 50);
  await hold.held();
  await fault.begin();
  accepted.push(...(await acceptMany(name, 50, 100)));
  await hold.release();
  for (const { token } of accepted) expect(await web.final(token)).toMatchObject({ state: 'succeeded' });
  const lines = daemon.runs().map(({ line }) => line);
  expect(lines.filter((line) => line.includes(`${name}=`))).toEqual(accepted.map(({ command }) => command));
  // On an idle server now: at most 2 s later than otherwise, and the answer is none the later.
  expect(await runInSync(web)).toBeLessThan(2000 + instantMs);
  await acceptMany(`${name}_IDLE`, 0, 5);
  await fault.end?.();
  await instantWakeups(web);
}

describe('a hundred queued: all run once, in order, accepted within a second each; then wake-ups are instant', () => {
  test('FLUSHALL', async () => {
    await survives('FLUSHED', { begin: () => installation.redis.flush() });
  });

  test('a restart without persistence', async () => {
    await survives('RESTARTED', { begin: () => installation.redis.restart() });
  });

  test('away for as long as a hundred commands take', async () => {
    await survives('AWAY', {
      begin: () => installation.redis.kill('SIGKILL'),
      end: () => installation.redis.restart(),
    });
  });

  test('wedged: it accepts connections and never answers', async () => {
    await survives('WEDGED', { begin: () => installation.redis.pause(), end: () => installation.redis.resume() });
  });
});

test('XADD was done and its reply lost: announced once, sent once', async () => {
  const redis = new Redis(installation.redis.url);
  await redis.del(streamKey('default'));
  const answer = holdAnswer(toRedis, 'xadd');
  const accepting = timed(web.accept({ cmd: 'config:set api ANNOUNCED=in-doubt' }));
  await answer.reached;
  expect(await redis.xlen(streamKey('default'))).toBe(1);
  answer.settle('cut');
  const { result, ms } = await accepting;
  expect(ms).toBeLessThan(1000);
  expect(await web.final(result.token)).toMatchObject({ state: 'succeeded' });
  const announced = (await redis.xrange(streamKey('default'), '-', '+')).flatMap(([, fields]) => fields);
  expect(announced.filter((field) => field === result.token)).toHaveLength(1);
  expect(daemon.timesSent('config:set api ANNOUNCED=in-doubt')).toBe(1);
  redis.disconnect();
});
