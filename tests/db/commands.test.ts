import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createAccept } from '../../db/accept.ts';
import { connectDatabase, type Database, databaseErrorCode } from '../../db/client.ts';
import { type Commands, createCommands, type RunReply } from '../../db/commands.ts';
import { createLeases, type LeaseClaim, type Leases } from '../../db/leases.ts';
import { type CommandRow, commands as commandTable, deliveries, leases as leaseTable } from '../../db/schema.ts';
import { toWire } from '../../lib/command.ts';
import { createDatabase } from '../support/database.ts';
import { newCommand } from '../support/new-command.ts';

let database: Database;
let commands: Commands;
let leases: Leases;
let accept: ReturnType<typeof createAccept>;
let lease: LeaseClaim;

const failOnError = (error: Error) => {
  throw error;
};
const reply = { kind: 'reply', ok: true, output: 'done', truncated: false, durationMs: 12.4 } as const;
const queue = async (changes = {}) => (await accept(newCommand(changes), null)).row;
const stateOf = async (token: string) => (await commands.findByToken(token))?.state;

async function claim() {
  const claimed = await commands.claim(lease);
  if (!claimed) throw new Error('nothing was claimed');
  return claimed;
}

async function takeOver(owner: string, server = 'default') {
  const { leases: seen } = await leases.observe([server]);
  const taken = seen[0] && (await leases.take(owner, seen[0]));
  if (!taken) throw new Error('the lease was not taken');
  return taken;
}

beforeAll(async () => {
  const { url } = await createDatabase();
  database = connectDatabase(url, { maximum: 8, onError: failOnError });
  commands = createCommands(database);
  leases = createLeases(database);
  accept = createAccept(database);
});

afterAll(async () => await database.$client.end());

beforeEach(async () => {
  await database.delete(deliveries);
  await database.delete(commandTable);
  await database.delete(leaseTable);
  await leases.register({ id: 'first', servers: ['default'], host: 'here', version: '1.0.0' });
  lease = await takeOver('first');
});

describe('accepting', () => {
  test('ids ascend in the order accepted', async () => {
    const ids = [];
    for (let count = 0; count < 5; count++) ids.push((await queue()).id);
    expect(ids).toEqual([...ids].sort((a, b) => a - b));
  });

  test('many at once are stored each as it is, but for one that cannot be', async () => {
    const given = Array.from({ length: 250 }, (_, index) =>
      newCommand({
        command: index === 99 ? 'apps:create \0' : `apps:create app-${index}`,
        callbackUrl: index % 2 === 0 ? `https://receiver.example/${index}` : null,
        timeoutSeconds: 100 + index,
      }),
    );
    const outcomes = await Promise.allSettled(given.map((command) => accept(command, null)));
    const rejected = outcomes.flatMap(({ status }, index) => (status === 'rejected' ? [index] : []));
    expect(rejected).toEqual([99]);
    const rows = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value.row] : []));
    expect(rows).toMatchObject(given.filter((_, index) => index !== 99));
    const stored = await database.select().from(commandTable).orderBy(commandTable.id);
    expect(stored.map(({ token }) => token).toSorted()).toEqual(rows.map(({ token }) => token).toSorted());
  });

  test('the same token twice is one command', async () => {
    const command = newCommand();
    const [first, second] = await Promise.all([accept(command, null), accept(command, null)]);
    expect(second.row.id).toBe(first.row.id);
  });

  test('ten requests at once with one Idempotency-Key make one command, also after the first is committed', async () => {
    const request = { keyId: 1, idempotencyKey: 'once', fingerprint: Buffer.from('a') };
    const all = await Promise.all(Array.from({ length: 10 }, () => accept(newCommand(), request)));
    const late = await accept(newCommand(), request);
    expect(new Set([...all, late].map(({ row }) => row.id)).size).toBe(1);
    expect(all.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(late.replayed).toBe(true);
  });

  test('an Idempotency-Key with another request is refused, and nothing is stored', async () => {
    const request = { keyId: 1, idempotencyKey: 'reused', fingerprint: Buffer.from('a') };
    await accept(newCommand(), request);
    const other = newCommand();
    await expect(accept(other, { ...request, fingerprint: Buffer.from('b') })).rejects.toMatchObject({
      code: 'idempotency_key_reused',
    });
    expect(await commands.findByToken(other.token)).toBeNull();
  });

  test('a legacy retry returns the one under way while it is not final', async () => {
    const { token } = await queue();
    const retry = () => accept(newCommand({ retryOf: token, legacyRetry: true }), null);
    const [first, second] = await Promise.all([retry(), retry()]);
    expect(second.row.id).toBe(first.row.id);
    await commands.cancel(first.row.id);
    expect((await retry()).row.id).not.toBe(first.row.id);
  });
});

describe('claiming', () => {
  test('takes the oldest queued command of the server', async () => {
    await queue({ server: 'other' });
    const oldest = await queue();
    await queue();
    const claimed = await commands.claim(lease);
    expect(claimed).toMatchObject({ id: oldest.id, state: 'running', epoch: lease.epoch });
    expect(claimed?.startedAt).toBeInstanceOf(Date);
  });

  test('has nothing where the lease is another’s, has another epoch, or is blocked', async () => {
    await queue();
    expect(await commands.claim({ ...lease, owner: 'second' })).toBeNull();
    expect(await commands.claim({ ...lease, epoch: lease.epoch + 1 })).toBeNull();
    await database.update(leaseTable).set({ blockedSince: new Date(), blockedBy: 'a token' });
    expect(await commands.claim(lease)).toBeNull();
    await leases.unblock(lease, 'a token');
    expect(await commands.claim(lease)).not.toBeNull();
  });

  test('an unblock that arrives late, when the next command blocks the server, changes nothing', async () => {
    await queue();
    const timedOut = { kind: 'no_reply', reason: 'command_timed_out', durationMs: 1 } as const;
    const first = await commands.finish((await claim()).id, lease, timedOut);
    expect(await leases.findBlock(lease)).toBe(first?.token);
    expect(await leases.unblock(lease, first?.token ?? '')).toBe(true);
    await queue();
    const second = await commands.finish((await claim()).id, lease, timedOut);
    expect(await leases.unblock(lease, first?.token ?? '')).toBe(false);
    expect(await leases.findBlock(lease)).toBe(second?.token);
  });

  test('fails on the last guard while another row runs, however the lease came about', async () => {
    await queue();
    await queue();
    await commands.claim(lease);
    const failure = await commands.claim(lease).catch((error: unknown) => error);
    expect(databaseErrorCode(failure)).toBe('23505');
  });

  test('of twenty claims at once one wins', async () => {
    await queue();
    await queue();
    const claims = await Promise.allSettled(Array.from({ length: 20 }, () => commands.claim(lease)));
    const rows = claims.filter((claim) => claim.status === 'fulfilled' && claim.value !== null);
    expect(rows).toHaveLength(1);
  });

  test('a claim put back keeps its place', async () => {
    const oldest = await queue();
    await queue();
    const claimed = await claim();
    expect(await commands.putBack(claimed)).toMatchObject({ state: 'queued', startedAt: null });
    expect((await commands.claim(lease))?.id).toBe(oldest.id);
  });

  test('a put back that arrives late, when the command was claimed again, changes nothing', async () => {
    const { id, token } = await queue();
    const first = await claim();
    await commands.putBack(first);
    await claim();
    expect(await commands.putBack(first)).toBeNull();
    expect(await stateOf(token)).toBe('running');
    expect(await commands.finish(id, lease, reply)).not.toBeNull();
  });

  test('a cancel that races a claim has one winner', async () => {
    for (let round = 0; round < 20; round++) {
      const { id, token } = await queue();
      const [claimed, canceled] = await Promise.all([commands.claim(lease), commands.cancel(id)]);
      expect([claimed, canceled].filter((row) => row !== null)).toHaveLength(1);
      expect(await stateOf(token)).toBe(claimed ? 'running' : 'canceled');
      if (claimed) await commands.finish(id, lease, reply);
    }
  });
});

describe('finishing', () => {
  test('stores state, result and delivery together, once', async () => {
    const { id, token } = await queue({ callbackUrl: 'https://Receiver.example:8443/path?query' });
    await commands.claim(lease);
    const finished = await commands.finish(id, lease, reply);
    expect(finished && toWire(finished)).toMatchObject({
      state: 'succeeded',
      reason: null,
      result_data: { ok: true, output: 'done' },
      duration_ms: 12,
    });
    expect(await commands.finish(id, lease, { ...reply, ok: false })).toBeNull();
    expect(await stateOf(token)).toBe('succeeded');
    expect(await database.select().from(deliveries)).toMatchObject([
      { commandId: id, host: 'receiver.example:8443', state: 'pending', attempt: 0 },
    ]);
  });

  test.each(['command_timed_out', 'command_lost'] as const)('%s blocks the server', async (reason) => {
    const { id, token } = await queue();
    await queue();
    await commands.claim(lease);
    const finished = await commands.finish(id, lease, { kind: 'no_reply', reason, durationMs: 3 });
    expect(finished && toWire(finished).result_data).toEqual({ ok: false, output: reason });
    expect(await database.select().from(leaseTable)).toMatchObject([{ blockedBy: token }]);
    expect(await commands.claim(lease)).toBeNull();
  });

  test('is nothing under a later epoch, and what came late is kept beside the result, once', async () => {
    const { id } = await queue();
    await commands.claim(lease);
    const successor = await takeOver('second');
    await commands.clearTheWay(successor);
    expect(await commands.finish(id, lease, reply)).toBeNull();
    expect(await commands.recordLateResult(id, { ok: true, output: 'late' })).toMatchObject({
      state: 'lost',
      output: 'command_lost',
      lateOutput: 'late',
    });
    expect(await commands.recordLateResult(id, { ok: true, output: 'later' })).toBeNull();
  });
});

describe('taking over', () => {
  test('a claim under the old epoch has nothing once the lease is taken', async () => {
    await queue();
    await takeOver('second');
    expect(await commands.claim(lease)).toBeNull();
  });

  test('what the predecessor left running is lost, with its delivery, and blocks the server', async () => {
    const { token } = await queue({ callbackUrl: 'https://receiver.example/' });
    await commands.claim(lease);
    const { lost, putBack } = await commands.clearTheWay(await takeOver('second'));
    expect(lost).toMatchObject([{ token, state: 'lost', reason: 'command_lost' }]);
    expect(putBack).toEqual([]);
    expect(await database.select().from(deliveries)).toHaveLength(1);
    expect(await database.select().from(leaseTable)).toMatchObject([{ blockedBy: token }]);
  });

  test('a claim of one’s own epoch that nobody has in hand goes back to the queue', async () => {
    const { token } = await queue();
    await commands.claim(lease);
    expect(await commands.clearTheWay(lease)).toMatchObject({ lost: [], putBack: [{ token, state: 'queued' }] });
  });

  test('clears nothing for who does not hold the lease', async () => {
    const { token } = await queue();
    await commands.claim(lease);
    await commands.clearTheWay({ ...lease, owner: 'second', epoch: lease.epoch + 1 });
    expect(await stateOf(token)).toBe('running');
  });
});

describe('waiting for a daemon', () => {
  test('adds up on the next command alone, until it fails', async () => {
    const { token } = await queue();
    const { token: behind } = await queue();
    await database.update(commandTable).set({ createdAt: new Date(Date.now() - 60_000) });
    expect(await commands.chargeWait(lease, 600, 1000)).toBeNull();
    expect(await commands.chargeWait(lease, 600, 1000)).toMatchObject({
      token,
      state: 'failed',
      reason: 'daemon_unavailable',
      output: 'daemon_unavailable',
    });
    expect(await stateOf(behind)).toBe('queued');
    expect((await commands.findByToken(behind))?.waitedMs).toBe(0);
  });

  test('charges a command no more than the time since it was accepted', async () => {
    const { token } = await queue();
    expect(await commands.chargeWait(lease, 3_600_000, 60_000)).toBeNull();
    expect((await commands.findByToken(token))?.waitedMs).toBeLessThan(60_000);
  });
});

describe('removed servers', () => {
  test('end their commands only when no living worker lists them', async () => {
    await queue({ server: 'gone' });
    expect(await commands.serversWithWork()).toEqual(['gone']);
    await leases.register({ id: 'second', servers: ['gone'], host: 'there', version: '1.0.0' });
    expect(await commands.endRemovedServer('gone', [])).toEqual([]);
    expect(await commands.endRemovedServer('gone', ['second'])).toMatchObject([
      { state: 'failed', reason: 'server_removed' },
    ]);
  });
});

test('retention deletes old final commands, but none with a delivery under way', async () => {
  const ended = await queue();
  const delivering = await queue({ callbackUrl: 'https://receiver.example/' });
  const waiting = await queue();
  await commands.cancel(ended.id);
  await commands.cancel(delivering.id);
  await database.update(commandTable).set({ createdAt: new Date(0) });
  await database.execute("update dokku_api.commands set ran_at = now() - interval '3 days' where ran_at is not null");
  expect(await commands.deleteExpired(4, 10)).toBe(0);
  expect(await commands.deleteExpired(2, 10)).toBe(1);
  expect(await stateOf(ended.token)).toBeUndefined();
  expect(await stateOf(delivering.token)).toBe('canceled');
  expect(await stateOf(waiting.token)).toBe('queued');
});

describe('finishing one and claiming the next', () => {
  test('is one change: result, delivery, and the oldest queued command', async () => {
    const { id } = await queue({ callbackUrl: 'https://receiver.example/' });
    const following = await queue();
    await queue();
    await commands.claim(lease);
    expect(await commands.finishAndClaim(id, lease, reply)).toMatchObject({
      ended: { id, state: 'succeeded' },
      next: { id: following.id, state: 'running', epoch: lease.epoch },
    });
    expect(await database.select().from(deliveries)).toMatchObject([{ commandId: id }]);
    expect(await stateOf(following.token)).toBe('running');
  });

  test('has no next where the queue is empty, the lease is not held any more, or the server is blocked', async () => {
    const { id } = await queue();
    await commands.claim(lease);
    expect(await commands.finishAndClaim(id, lease, reply)).toMatchObject({ ended: { id }, next: null });

    const blocked = await queue();
    await queue();
    await commands.claim(lease);
    await database.update(leaseTable).set({ blockedSince: new Date(), blockedBy: blocked.token });
    expect(await commands.finishAndClaim(blocked.id, lease, reply)).toMatchObject({ next: null });
    await leases.unblock(lease, blocked.token);

    const taken = await commands.claim(lease);
    await queue();
    await takeOver('second');
    expect(await commands.finishAndClaim(taken?.id ?? 0, lease, reply)).toMatchObject({ next: null });
  });

  test('claims nothing where nothing was finished, as when it is tried again', async () => {
    const { id } = await queue();
    const following = await queue();
    await commands.claim(lease);
    await commands.finish(id, lease, reply);
    expect(await commands.finishAndClaim(id, lease, reply)).toBeNull();
    expect(await stateOf(following.token)).toBe('queued');
  });

  describe('of servers whose commands end at once', () => {
    const servers = ['s1', 's2', 's3', 's4', 's5', 's6'];
    let held: LeaseClaim[];

    beforeEach(async () => {
      await leases.register({ id: 'first', servers, host: 'here', version: '1.0.0' });
      held = await Promise.all(servers.map((server) => takeOver('first', server)));
    });

    const runningOfEach = async (changes = {}) => {
      for (const server of servers) await queue({ server, ...changes });
      return await Promise.all(held.map(async (lease) => (await commands.claim(lease))?.id ?? 0));
    };
    const finishEach = async (ids: readonly number[], of: (index: number) => Partial<RunReply> = () => ({})) =>
      await Promise.allSettled(
        held.map((lease, index) => commands.finishAndClaim(ids[index] ?? 0, lease, { ...reply, ...of(index) })),
      );
    const transactions = async () => {
      const { rows } = await database.execute<{ changed: number }>(
        sql`select count(distinct changed_in)::int as changed from ${commandTable} where state <> 'queued'`,
      );
      return rows[0]?.changed;
    };

    test('is one transaction, and each has its own result, delivery and next command', async () => {
      const ids = await runningOfEach({ callbackUrl: 'https://receiver.example/' });
      const following: CommandRow[] = [];
      for (const server of servers.slice(1)) following.push(await queue({ server }));
      const ends = await finishEach(ids, (index) => ({ ok: index % 2 === 0, output: `"{of ${index}}\\\n, null` }));
      expect(ends.map((end) => end.status === 'fulfilled' && end.value)).toMatchObject(
        ids.map((id, index) => ({
          ended: {
            ...{ id, state: index % 2 === 0 ? 'succeeded' : 'failed', ok: index % 2 === 0 },
            ...{ output: `"{of ${index}}\\\n, null`, reason: null, outputTruncated: false, durationMs: 12 },
          },
          next: index === 0 ? null : { id: following[index - 1]?.id, server: servers[index], state: 'running' },
        })),
      );
      expect(await transactions()).toBe(1);
      expect(await database.select().from(deliveries)).toHaveLength(servers.length);
    });

    test('a lease that was lost, a server that is blocked and a run that was taken away are only their own', async () => {
      const ids = await runningOfEach();
      for (const server of servers) await queue({ server });
      await takeOver('second', 's1');
      await database.update(leaseTable).set({ blockedSince: new Date() }).where(eq(leaseTable.server, 's2'));
      await database
        .update(commandTable)
        .set({ epoch: 99 })
        .where(eq(commandTable.id, ids[2] ?? 0));
      const ends = await finishEach(ids);
      expect(ends.map((end) => end.status === 'fulfilled' && end.value)).toMatchObject([
        { ended: { id: ids[0] }, next: null },
        { ended: { id: ids[1] }, next: null },
        null,
        ...ids.slice(3).map((id, index) => ({ ended: { id }, next: { server: servers[index + 3] } })),
      ]);
    });

    test('a result that cannot be stored keeps none of the others from being stored', async () => {
      const ids = await runningOfEach();
      const ends = await finishEach(ids, (index) => (index === 3 ? { output: 'no text \0' } : {}));
      expect(ends.map(({ status }) => status)).toEqual(
        servers.map((_, index) => (index === 3 ? 'rejected' : 'fulfilled')),
      );
    });

    test('locks leases in the order in which a beat does, so that neither waits for the other', async () => {
      const ids = await runningOfEach();
      const waiting = async (count: number) =>
        await expect
          .poll(async () => {
            const { rows } = await database.execute<{ waiting: number }>(sql`
              select count(*)::int as waiting from pg_stat_activity
              where datname = current_database() and wait_event_type = 'Lock'`);
            return rows[0]?.waiting;
          })
          .toBe(count);
      const inTheWay = await database.$client.connect();
      await inTheWay.query("begin; select from dokku_api.leases where server = 's3' for update");
      held.reverse();
      ids.reverse();
      const ends = finishEach(ids);
      await waiting(1);
      const beat = leases.beat('first', servers);
      await waiting(2);
      await inTheWay.query('rollback');
      inTheWay.release();
      expect((await ends).map(({ status }) => status)).toEqual(servers.map(() => 'fulfilled'));
      expect((await beat).leases).toHaveLength(servers.length);
    });
  });
});
