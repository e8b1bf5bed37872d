import { randomBytes } from 'node:crypto';
import { sql } from 'drizzle-orm';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createAccept } from '../../db/accept.ts';
import { connectDatabase, type Database } from '../../db/client.ts';
import { createCommandTotals } from '../../db/command-totals.ts';
import { type Commands, createCommands } from '../../db/commands.ts';
import { createDeliveryTotals } from '../../db/delivery-totals.ts';
import { createLeases, type LeaseClaim } from '../../db/leases.ts';
import { attempts, commands as commandTable, deliveries } from '../../db/schema.ts';
import { newCommand } from '../support/new-command.ts';
import { startOwnPostgres } from '../support/own-postgres.ts';

let url: string;
let database: Database;
let commands: Commands;
let lease: LeaseClaim;
const reply = { kind: 'reply', ok: true, output: 'done', truncated: false, durationMs: 1500 } as const;

beforeAll(async () => {
  // What is told ends before the oldest transaction of the whole server, that of another file too.
  url = (await startOwnPostgres()).url;
  database = connectDatabase(url, { maximum: 4, onError: () => undefined });
  commands = createCommands(database);
  const leases = createLeases(database);
  await leases.register({ id: 'worker', servers: ['default'], host: 'here', version: '1.0.0' });
  const [free] = (await leases.observe(['default'])).leases;
  const taken = free && (await leases.take('worker', free));
  if (!taken) throw new Error('the lease was not taken');
  lease = taken;
});

afterAll(async () => await database.$client.end());

beforeEach(async () => {
  await database.delete(deliveries);
  await database.delete(commandTable);
});

async function unblock(): Promise<void> {
  const leases = createLeases(database);
  await leases.unblock(lease, (await leases.findBlock(lease)) ?? '');
}

async function run(result: Parameters<Commands['finish']>[2] = reply): Promise<number> {
  await createAccept(database)(newCommand(), null);
  const row = await commands.claim(lease);
  if (row === null) throw new Error('nothing was claimed');
  await commands.finish(row.id, lease, result);
  return row.id;
}

describe('ended commands', () => {
  test('none at the first look, then each once, with its times', async () => {
    await run();
    const totals = createCommandTotals(database);
    expect(await totals.endedSince()).toEqual({ ended: [], more: false });
    await run();
    await run({ ...reply, ok: false });
    await createAccept(database)(newCommand(), null);
    const common = { server: 'default', reason: null, runSeconds: 1.5, waitSeconds: expect.any(Number) };
    expect(await totals.endedSince()).toEqual({
      ended: [
        { ...common, state: 'succeeded' },
        { ...common, state: 'failed' },
      ],
      more: false,
    });
    expect(await totals.endedSince()).toEqual({ ended: [], more: false });
  });

  test('one that never ran has no times', async () => {
    const totals = createCommandTotals(database);
    await totals.endedSince();
    const { row } = await createAccept(database)(newCommand(), null);
    await commands.cancel(row.id);
    expect((await totals.endedSince()).ended).toEqual([
      { server: 'default', state: 'canceled', reason: 'command_canceled', runSeconds: null, waitSeconds: null },
    ]);
  });

  test('a late result is not another end', async () => {
    const totals = createCommandTotals(database);
    await totals.endedSince();
    const id = await run({ kind: 'no_reply', reason: 'command_timed_out', durationMs: 1000 });
    expect((await totals.endedSince()).ended).toHaveLength(1);
    await commands.recordLateResult(id, { ok: true, output: 'late' });
    expect((await totals.endedSince()).ended).toEqual([]);

    await unblock();
    const second = await run({ kind: 'no_reply', reason: 'command_timed_out', durationMs: 1000 });
    await commands.recordLateResult(second, { ok: true, output: 'late' });
    expect((await totals.endedSince()).ended).toHaveLength(1);
    await unblock();
  });

  test('transactions that commit out of order are each told once', async () => {
    const totals = createCommandTotals(database);
    await totals.endedSince();
    const slow = await createAccept(database)(newCommand({ server: 'eu' }), null);
    const client = new pg.Client(url);
    await client.connect();
    await client.query('BEGIN');
    await client.query(
      `UPDATE dokku_api.commands SET state = 'failed', reason = 'server_removed', ok = false, output = 'server_removed',
        ran_at = now(), changed_in = pg_current_xact_id() WHERE id = $1`,
      [slow.row.id],
    );
    await run();
    const before = (await totals.endedSince()).ended;
    await client.query('COMMIT');
    await client.end();
    const after = (await totals.endedSince()).ended;
    expect(before).toEqual([]);
    expect(after.map(({ state }) => state).sort()).toEqual(['failed', 'succeeded']);
    expect((await totals.endedSince()).ended).toEqual([]);
  });

  test('what piled up is told in parts', async () => {
    const totals = createCommandTotals(database, 3);
    await totals.endedSince();
    for (let count = 0; count < 7; count++) await run();
    const told = [];
    for (let look = 0; look < 4; look++) {
      const { ended, more } = await totals.endedSince();
      told.push([ended.length, more]);
    }
    expect(told).toEqual([
      [3, true],
      [3, true],
      [1, false],
      [0, false],
    ]);
  });

  test('many that one transaction changed are told in parts too, and those that ended long before are not', async () => {
    const totals = createCommandTotals(database, 2);
    await totals.endedSince();
    const rows = [0, 0, 0, 60].map((minutes) => ({
      ...newCommand(),
      state: 'succeeded' as const,
      ok: true,
      output: '',
      ranAt: sql`now() - make_interval(mins => ${minutes})`,
    }));
    await database.insert(commandTable).values(rows);
    const counts = [];
    for (let look = 0; look < 3; look++) counts.push((await totals.endedSince()).ended.length);
    expect(counts).toEqual([2, 1, 0]);
  });
});

describe('callbacks', () => {
  async function deliver(state: 'pending' | 'delivered' | 'dead'): Promise<number> {
    const { row } = await createAccept(database)(newCommand(), null);
    const [delivery] = await database
      .insert(deliveries)
      .values({
        commandId: row.id,
        webhookId: `msg_${randomBytes(8).toString('hex')}`,
        url: 'https://hooks.example.com/',
        host: 'hooks.example.com',
        keyId: 1,
        state,
        attempt: 3,
        nextAt: sql`now() - interval '1 minute'`,
      })
      .returning();
    return delivery?.id ?? 0;
  }
  const attempt = async (deliveryId: number, number: number, status: number | null, error: string | null = null) => {
    await database.insert(attempts).values({ deliveryId, number, status, error, durationMs: 5 });
  };

  test('on their way, by attempts, and how late the first one is', async () => {
    const totals = createDeliveryTotals(database, () => 0);
    expect(await totals.pending()).toEqual({ byAttempts: [], overdueSeconds: 0 });
    await deliver('pending');
    await deliver('pending');
    await deliver('dead');
    const { byAttempts, overdueSeconds } = await totals.pending();
    expect(byAttempts).toEqual([{ attempts: 3, count: 2 }]);
    expect(overdueSeconds).toBeGreaterThanOrEqual(60);
    expect(overdueSeconds).toBeLessThan(120);
  });

  test('each attempt and each end is told once, when nothing before it can appear any more', async () => {
    const clock = { now: 1000 };
    const totals = createDeliveryTotals(database, () => clock.now);
    const earlier = await deliver('pending');
    await attempt(earlier, 1, 500);
    const nothing = { attempts: [], ended: [] };
    expect(await totals.attemptedSince()).toEqual(nothing);

    const delivered = await deliver('delivered');
    await attempt(delivered, 1, null, 'timeout');
    await attempt(delivered, 2, 204);
    await attempt(await deliver('dead'), 1, 410);
    await attempt(earlier, 2, 500);
    clock.now += 9_000;
    expect(await totals.attemptedSince()).toEqual(nothing);
    clock.now += 9_999;
    expect(await totals.attemptedSince()).toEqual(nothing);
    clock.now += 1;
    const told = await totals.attemptedSince();
    expect(told.attempts).toHaveLength(4);
    expect(told.attempts).toEqual(
      expect.arrayContaining([
        { status: null, error: 'timeout', count: 1 },
        { status: 204, error: null, count: 1 },
        { status: 410, error: null, count: 1 },
        { status: 500, error: null, count: 1 },
      ]),
    );
    expect(told.ended).toEqual(
      expect.arrayContaining([
        { state: 'delivered', count: 1 },
        { state: 'dead', count: 1 },
      ]),
    );
    clock.now += 60_000;
    expect(await totals.attemptedSince()).toEqual(nothing);
  });
});
