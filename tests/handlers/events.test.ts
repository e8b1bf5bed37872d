import { randomBytes } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { Redis } from 'ioredis';
import pg from 'pg';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { WireCommand } from '../../lib/command.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { waitFor } from '../support/process.ts';
import { startTestRedis, type TestRedis } from '../support/redis.ts';
import { openEvents } from './event-reader.ts';
import { type ClientKey, startWeb, type Web } from './web.ts';

let database: TestDatabase;
let redis: TestRedis;
let web: Web;
let key: ClientKey;

beforeAll(async () => {
  [database, redis] = await Promise.all([createDatabase(), startTestRedis()]);
  web = await startWeb({ databaseUrl: database.url, redisUrl: redis.url, timing: { heartbeatMs: 200 } });
  key = await web.key({ rateLimit: 1_000_000 });
});

async function accept(as = key): Promise<WireCommand> {
  const response = await fetch(`${web.url}/commands`, {
    method: 'POST',
    headers: as.headers,
    body: new URLSearchParams({ cmd: 'apps:list' }),
  });
  return (await response.json()) as WireCommand;
}

describe('the stream of one command', () => {
  test('tells its state now and per change, and ends after the final one', async () => {
    const { token } = await accept();
    const stream = await openEvents(`${web.url}/commands/${token}/events`, key.headers);
    expect(stream.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'x-accel-buffering': 'no',
      'cache-control': 'no-store',
    });
    await stream.until(() => stream.events.length === 1, 'the state now');
    const claimed = await web.claimOldest();
    await stream.until(() => stream.events.length === 2, 'running');
    await web.finish(claimed, { output: 'a\n"b"\r\u2028' });
    expect(await stream.end).toBe('complete');
    expect(stream.events.map(({ command }) => command.state)).toEqual(['queued', 'running', 'succeeded']);
    const got = await (await fetch(`${web.url}/commands/${token}`, { headers: key.headers })).json();
    expect(stream.events.at(-1)?.command).toEqual(got);

    const late = await openEvents(`${web.url}/commands/${token}/events`, key.headers);
    expect(await late.end).toBe('complete');
    expect(late.events.map(({ command }) => command.state)).toEqual(['succeeded']);
    const again = await openEvents(`${web.url}/commands/${token}/events`, key.headers, late.lastEventId);
    expect(again.status).toBe(204);
  });

  test('beats, and lets nothing behind when the client leaves', async () => {
    const { token } = await accept();
    const stream = await openEvents(`${web.url}/commands/${token}/events`, key.headers);
    await stream.until(() => stream.comments.length >= 2, 'two heartbeats');
    expect(web.deps.waiters.size).toBe(1);
    stream.leave();
    await expect.poll(() => web.deps.waiters.size).toBe(0);
    await web.runOldest({ output: '' });
  });

  test('is 404 for what the key may not see', async () => {
    const { token } = await accept();
    const other = await web.key({ owner: 'other' });
    const stream = await openEvents(`${web.url}/commands/${token}/events`, other.headers);
    expect([stream.status, stream.headers['content-type']]).toEqual([404, 'application/json']);
    await web.runOldest({ output: '' });
  });
});

describe('the stream of all commands', () => {
  test('tells what changes from now on, and to each key only what it may see', async () => {
    const [other, admin] = [await web.key({ owner: 'other' }), await web.key({ role: 'admin', owner: 'ops' })];
    const streams = [];
    for (const as of [key, other, admin]) streams.push(await openEvents(`${web.url}/events`, as.headers));
    const [own, others, all] = streams;
    if (!own || !others || !all) throw new Error('no streams');
    const [mine, theirs] = [await accept(), await accept(other)];
    for (let at = 0; at < 2; at++) await web.runOldest({ output: 'x' });
    const tokens = (events: typeof all.events) => new Set(events.map(({ command }) => command.token));
    const ended = ({ events }: typeof all) => tokens(events.filter(({ command }) => command.state === 'succeeded'));
    await all.until(() => [mine, theirs].every(({ token }) => ended(all).has(token)), 'two ends');
    await own.until(() => ended(own).has(mine.token), 'the end');
    await others.until(() => ended(others).has(theirs.token), 'the end');
    // At least once: what changed just before may be told as well, while another transaction of this Postgres is open.
    expect(tokens(own.events)).not.toContain(theirs.token);
    expect(tokens(others.events)).toEqual(new Set([theirs.token]));
    // One reader for all; it ends with the last of them.
    expect(web.deps.feed.size).toBe(3);
    for (const stream of streams) stream.leave();
    await expect.poll(() => web.deps.feed.size).toBe(0);
  });

  test('tells after a reconnect what changed meanwhile, also before the first event', async () => {
    const first = await openEvents(`${web.url}/events`, key.headers);
    await first.until(() => first.lastEventId !== '', 'a place to resume at');
    first.leave();
    const missed = await accept();
    await web.runOldest({ output: 'missed' });
    const second = await openEvents(`${web.url}/events`, key.headers, first.lastEventId);
    await second.until(() => second.events.some(({ command }) => command.token === missed.token), 'the one missed');
    const live = await accept();
    await second.until(() => second.events.some(({ command }) => command.token === live.token), 'the one after');
    second.leave();
    await web.runOldest({ output: '' });
  });

  test('misses nothing of transactions that end in another order than they began', async () => {
    const stream = await openEvents(`${web.url}/events`, key.headers);
    const slow = new pg.Client(database.url);
    await slow.connect();
    await slow.query('begin');
    const token = randomBytes(32).toString('hex');
    await slow.query(
      `insert into dokku_api.commands (token, server, command, timeout_seconds, key_id, created_by, owner)
       values ($1, 'slow', 'slow:one', 600, 1, 'key_test', 'default')`,
      [token],
    );
    const quick = await accept();
    await stream.until(() => stream.events.some(({ command }) => command.token === quick.token), 'the quick one');
    const seenBefore = stream.lastEventId;
    await slow.query('commit');
    await slow.end();
    await stream.until(() => stream.events.some(({ command }) => command.token === token), 'the slow one');
    stream.leave();
    // Nor a reconnect with the id that came before it.
    const again = await openEvents(`${web.url}/events`, key.headers, seenBefore);
    await again.until(() => again.events.some(({ command }) => command.token === token), 'the slow one again');
    again.leave();
    await web.runOldest({ output: '' });
  });

  test('catches up over many batches while more changes come, to the end state of each', async () => {
    const as = await web.key({ owner: 'busy' });
    const before = await openEvents(`${web.url}/events`, as.headers);
    await before.until(() => before.lastEventId !== '', 'a place to resume at');
    before.leave();
    await web.deps.database.execute(sql`insert into dokku_api.commands
      (token, server, command, state, ok, output, timeout_seconds, ran_at, key_id, created_by, owner)
      select md5(random()::text) || md5(random()::text), 'default', 'apps:list', 'succeeded', true, repeat('x', 5000), 600,
        now(), 1, 'key_test', 'busy' from generate_series(1, 1500)`);
    const stream = await openEvents(`${web.url}/events`, as.headers, before.lastEventId);
    const during: string[] = [];
    for (let at = 0; at < 10; at++) {
      during.push((await accept(as)).token);
      await web.runOldest({ output: 'during' });
    }
    const last = () => new Map(stream.events.map(({ command }) => [command.token, command.state]));
    await stream.until(() => last().size === 1510, '1510 commands');
    await stream.until(() => during.every((token) => last().get(token) === 'succeeded'), 'the end of the ten');
    stream.leave();
  });

  test('leaves out none of many large commands that changed in another order than they were accepted', async () => {
    const as = await web.key({ owner: 'disordered' });
    const before = await openEvents(`${web.url}/events`, as.headers);
    await before.until(() => before.lastEventId !== '', 'a place to resume at');
    before.leave();
    const { rows } = await web.deps.database.execute<{ id: number }>(sql`insert into dokku_api.commands
      (token, server, command, state, ok, output, timeout_seconds, ran_at, key_id, created_by, owner)
      select md5(random()::text) || md5(random()::text), 'default', 'apps:list', 'succeeded', true,
        repeat('x', 1024 * 1024), 600, now(), 1, 'key_test', 'disordered' from generate_series(1, 4)
      returning id`);
    for (const { id } of rows.reverse()) {
      await web.deps.database.execute(
        sql`update dokku_api.commands set changed_in = pg_current_xact_id() where id = ${id}`,
      );
    }
    const stream = await openEvents(`${web.url}/events`, as.headers, before.lastEventId);
    const told = () => new Set(stream.events.map(({ command }) => command.id));
    await stream.until(() => told().size === 4, 'all four');
    stream.leave();
  });

  test('refuses an id that is none, and takes one of another database for "from now on"', async () => {
    for (const id of ['x', '-1', '1.5', '18446744073709551616', '1'.repeat(30)]) {
      const refused = await openEvents(`${web.url}/events`, key.headers, id);
      expect([id, refused.status]).toEqual([id, 400]);
    }
    const stream = await openEvents(`${web.url}/events`, key.headers, '18446744073709551615');
    const { token } = await accept();
    await stream.until(() => stream.events.some(({ command }) => command.token === token), 'what happens now');
    stream.leave();
    await web.runOldest({ output: '' });
  });

  test('has Redis tell of what begins only while somebody follows', async () => {
    const own = await startTestRedis();
    const alone = await startWeb({ databaseUrl: database.url, redisUrl: own.url });
    const subscribers = async () => Number((await alone.deps.redis.pubsub('NUMSUB', '{dokku-api}:beginnings'))[1]);
    const { token } = await accept();
    expect(await subscribers()).toBe(0);
    const ofAll = await openEvents(`${alone.url}/events`, key.headers);
    const ofOne = await openEvents(`${alone.url}/commands/${token}/events`, key.headers);
    await expect.poll(subscribers).toBe(1);
    ofAll.leave();
    await expect.poll(() => alone.deps.feed.size).toBe(0);
    expect(await subscribers()).toBe(1);
    ofOne.leave();
    await expect.poll(subscribers).toBe(0);
    await web.runOldest({ output: '' });
  });

  test('asks Redis to tell of what begins once, however many streams come and go while it is away', async () => {
    const own = await startTestRedis();
    const waiting = await startWeb({ databaseUrl: database.url, redisUrl: own.url });
    const subscribe = vi.spyOn(Redis.prototype, 'subscribe');
    onTestFinished(() => subscribe.mockRestore());
    await own.kill('SIGKILL');
    for (let time = 0; time < 5; time++) {
      const stream = await openEvents(`${waiting.url}/events`, key.headers);
      stream.leave();
      await expect.poll(() => waiting.deps.feed.size).toBe(0);
    }
    expect(subscribe).toHaveBeenCalledTimes(1);
    await waiting.stop();
  });

  test('goes on without Redis', async () => {
    const own = await startTestRedis();
    const lonely = await startWeb({ databaseUrl: database.url, redisUrl: own.url });
    await own.kill('SIGKILL');
    const stream = await openEvents(`${lonely.url}/events`, key.headers);
    const { token } = await accept();
    await stream.until(() => stream.events.some(({ command }) => command.token === token), 'an event');
    await lonely.stop();
    expect(await stream.end).toBe('complete');
    await web.runOldest({ output: '' });
  });

  test('ends for a key that is deleted meanwhile, even while events flow', async () => {
    const doomed = await web.key();
    const stream = await openEvents(`${web.url}/events`, doomed.headers);
    await stream.until(() => stream.comments.length > 0, 'a heartbeat');
    expect(await web.deps.keys.delete(doomed.apiKey)).toBe(true);
    let ended = false;
    const end = stream.end.finally(() => {
      ended = true;
    });
    await waitFor(
      async () => {
        if (!ended) await accept();
        return ended;
      },
      { describe: 'the end of the stream' },
    );
    expect(await end).toBe('complete');
    await web.deps.database.execute(sql`delete from dokku_api.commands where state = 'queued'`);
  });

  test('ends for a secret that was rotated away, and goes on for one in its grace', async () => {
    const [exposed, graced] = [await web.key(), await web.key()];
    const streams = [];
    for (const as of [exposed, graced]) streams.push(await openEvents(`${web.url}/events`, as.headers));
    const [doomed, kept] = streams;
    if (!doomed || !kept) throw new Error('no streams');
    expect(await web.deps.keys.rotate(exposed.apiKey, 0)).not.toBeNull();
    expect(await web.deps.keys.rotate(graced.apiKey, 60_000)).not.toBeNull();
    expect(await doomed.end).toBe('complete');
    const beats = kept.comments.length;
    await kept.until(() => kept.comments.length >= beats + 2, 'two heartbeats more');
    kept.leave();
  });

  test('drops a reader that does not read, and buffers no more than its bound for it', async () => {
    const as = await web.key({ owner: 'slow' });
    const stream = await openEvents(`${web.url}/events`, as.headers);
    await stream.until(() => stream.lastEventId !== '', 'the beginning');
    stream.pause();
    const change = () =>
      web.deps.database.execute(sql`insert into dokku_api.commands
        (token, server, command, state, ok, output, timeout_seconds, ran_at, key_id, created_by, owner)
        select md5(random()::text) || md5(random()::text), 'default', 'apps:list', 'succeeded', true, repeat('x', 1000000), 600,
          now(), 1, 'key_test', 'slow' from generate_series(1, 3)`);
    await waitFor(
      async () => {
        await change();
        return web.log.some(({ msg }) => String(msg).startsWith('an event stream is cut'));
      },
      { describe: 'the cut' },
    );
    stream.resume();
    expect(await stream.end).toBe('cut');
    const again = await openEvents(`${web.url}/events`, as.headers, stream.lastEventId);
    await again.until(() => again.events.length > stream.events.length, 'the rest after a reconnect');
    again.leave();
  });
});
