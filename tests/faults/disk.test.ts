/** Postgres finds the disk full; Redis refuses to write, for want of memory or because it could not save. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fillDisk } from '../support/full-disk.ts';
import { createInstallation, type Installation, type Web } from '../support/installation.ts';
import { instantMs, instantWakeups, runInSync } from '../support/instant-wakeups.ts';
import { type OwnPostgres, startOwnPostgres } from '../support/own-postgres.ts';
import { type TestProcess, waitFor } from '../support/process.ts';
import { query } from '../support/query.ts';
import type { StandIn } from '../support/stand-in.ts';
import { timed } from '../support/timed.ts';

let postgres: OwnPostgres;
let installation: Installation;
let web: Web;
let worker: TestProcess;
let daemon: StandIn;
let redis: Redis;

beforeAll(async () => {
  postgres = await startOwnPostgres();
  installation = await createInstallation({ databaseUrl: postgres.url });
  daemon = installation.daemons.get('default') as StandIn;
  redis = new Redis(installation.redis.url);
  [web, worker] = await Promise.all([installation.startWeb(), installation.startWorker()]);
});

afterAll(() => redis.disconnect());

/** Too long for its row, and not to be compressed. */
const long = () => randomBytes(10_000).toString('hex');

test('the disk is full: 503 at accept, a result is kept until it can be stored', async () => {
  const hold = await daemon.addSwitch({ match: 'apps:report full', hold: true, dokku: { stdout: long() } });
  const running = await web.accept({ cmd: 'apps:report full' });
  await waitFor(async () => (await daemon.running()).some(({ held }) => held), { describe: 'the command to run' });
  const { makeRoom } = await fillDisk(postgres);
  // The pools notice the restart at their next queries.
  await waitFor(async () => (await web.get('/commands?limit=1')).status === 200, { describe: 'an answer' });

  const cmd = `config:set api FULL=${long()}`;
  const key = { 'Idempotency-Key': 'full' };
  const refused = await web.post('/commands', { cmd }, key);
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
  const text = await refused.text();
  expect(JSON.parse(text)).toMatchObject({ status: 'error', code: 'database_unavailable' });
  expect(text).not.toMatch(/space|extend|FULL/);
  const counted = await query(postgres.url, 'SELECT count(*)::int AS n FROM dokku_api.commands WHERE command = $1', [
    cmd,
  ]);
  expect(counted).toEqual([{ n: 0 }]);
  await daemon.control({ op: 'release', id: hold });
  await worker.waitForLog((entry) => entry.msg === 'result not stored yet' && entry.code === '53100');

  await makeRoom();
  await waitFor(async () => (await web.get('/commands?limit=1')).status === 200, { describe: 'an answer' });
  expect(await web.final(running.token)).toMatchObject({ state: 'succeeded', result_data: { ok: true } });
  const accepted = await web.post('/commands', { cmd, sync: 'true' }, key);
  expect(accepted.status).toBe(200);
  expect(await accepted.json()).toMatchObject({ state: 'succeeded' });
  expect(daemon.timesSent('apps:report full')).toBe(1);
  expect(daemon.timesSent(cmd)).toBe(1);
});

describe('Redis refuses to write: as if it were away', () => {
  async function asIfAway(name: string, refusal: RegExp) {
    await expect(redis.xadd('any', '*', 'a', 'b')).rejects.toThrow(refusal);
    for (let count = 0; count < 5; count++) {
      const { result, ms } = await timed(web.accept({ cmd: `config:set api ${name}=${count}` }));
      expect(ms).toBeLessThan(1000);
      expect(await web.final(result.token)).toMatchObject({ state: 'succeeded' });
      expect(daemon.timesSent(result.command)).toBe(1);
    }
    expect(await runInSync(web)).toBeLessThan(2000 + instantMs);
  }

  test('OOM', async () => {
    await instantWakeups(web);
    await redis.config('SET', 'maxmemory', '1');
    await asIfAway('OOM', /^OOM/);
    await redis.config('SET', 'maxmemory', '0');
  });

  test('MISCONF', async () => {
    const [, folder = ''] = (await redis.config('GET', 'dir')) as string[];
    // What it would save stands in the way of a folder: it cannot be moved there.
    const inTheWay = join(folder, 'dump.rdb');
    rmSync(inTheWay, { force: true });
    mkdirSync(join(inTheWay, 'not-empty'), { recursive: true });
    const saved = async (status: 'ok' | 'err') => {
      await redis.bgsave();
      await waitFor(
        async () => {
          const persistence = await redis.info('persistence');
          return persistence.includes('rdb_bgsave_in_progress:0') && persistence.includes(`bgsave_status:${status}`);
        },
        { describe: `a save to end as ${status}` },
      );
    };
    await redis.config('SET', 'save', '3600 1');
    await saved('err');
    await asIfAway('MISCONF', /^MISCONF/);
    rmSync(inTheWay, { recursive: true });
    await saved('ok');
    // After the one as after the other.
    await instantWakeups(web);
  });
});
