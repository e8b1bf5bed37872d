import { randomBytes } from 'node:crypto';
import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createAccept } from '../../db/accept.ts';
import { connectDatabase, type Database } from '../../db/client.ts';
import { createIdempotency } from '../../db/idempotency.ts';
import { deleteExpired } from '../../db/retention.ts';
import { attempts, commands, deliveries, idempotencyKeys } from '../../db/schema.ts';
import { createDatabase } from '../support/database.ts';
import { newCommand } from '../support/new-command.ts';
import { waitFor } from '../support/process.ts';
import { storedIn } from '../support/stored.ts';

let database: Database;

beforeAll(async () => {
  const { url } = await createDatabase();
  database = connectDatabase(url, { maximum: 4, onError: (error) => expect.unreachable(error.message) });
});
afterAll(async () => await database.$client.end());

beforeEach(async () => {
  await database.delete(commands);
});

const daysAgo = (days: number) => sql<Date>`now() - make_interval(days => ${days})`;

/** A command that was accepted so many days ago, and ended when `ended` says, where it does. */
async function made({ accepted, ended, running }: { accepted: number; ended?: number; running?: boolean }) {
  const accept = createAccept(database);
  const { row } = await accept(newCommand({ callbackUrl: 'https://receiver.example/' }), null);
  const final = ended === undefined ? {} : { state: 'succeeded' as const, ok: true, output: '', ranAt: daysAgo(ended) };
  await database
    .update(commands)
    .set({ createdAt: daysAgo(accepted), ...(running ? { state: 'running' as const, epoch: 1 } : final) })
    .where(eq(commands.id, row.id));
  return row;
}

async function delivery(commandId: number, state: 'pending' | 'delivered' | 'dead'): Promise<void> {
  const [row] = await database
    .insert(deliveries)
    .values({
      commandId,
      webhookId: 'msg',
      url: 'https://receiver.example/',
      host: 'receiver.example',
      keyId: 1,
      state,
    })
    .returning();
  await database.insert(attempts).values({ deliveryId: row?.id ?? 0, number: 1, durationMs: 1 });
}

const left = async () => (await database.select({ id: commands.id }).from(commands)).map(({ id }) => id);

test('goes by when a command ended, and takes none that has not', async () => {
  await made({ accepted: 40, ended: 31 });
  const endedLately = await made({ accepted: 400, ended: 29 });
  const queued = await made({ accepted: 400 });
  const running = await made({ accepted: 400, running: true });
  expect(await deleteExpired(database, 30, 10)).toBe(1);
  expect(await deleteExpired(database, 30, 10)).toBe(0);
  expect(await left()).toEqual([endedLately.id, queued.id, running.id]);
});

test('takes a command with its callbacks, and none that is on its way', async () => {
  const ids = [];
  for (const state of ['delivered', 'dead', 'pending'] as const) {
    const { id } = await made({ accepted: 40, ended: 40 });
    await delivery(id, state);
    ids.push(id);
  }
  expect(await deleteExpired(database, 30, 10)).toBe(2);
  expect(await left()).toEqual(ids.slice(2));
  expect(await database.select().from(deliveries)).toMatchObject([{ state: 'pending' }]);
  expect(await database.select().from(attempts)).toHaveLength(1);
});

test('leaves a command whose callback is asked to be sent again at the same moment', async () => {
  const { id } = await made({ accepted: 40, ended: 40 });
  await delivery(id, 'delivered');
  const deleting = await database.transaction(async (transaction) => {
    await transaction.update(deliveries).set({ state: 'pending' }).where(eq(deliveries.commandId, id));
    const deletion = deleteExpired(database, 30, 10);
    await waitFor(async () => (await storedIn(database).lockWaits('expired')) === 1, {
      describe: 'the deletion to wait',
    });
    return { deletion };
  });
  expect(await deleting.deletion).toBe(0);
  expect(await left()).toEqual([id]);
  expect(await database.select().from(deliveries)).toMatchObject([{ state: 'pending' }]);
});

test('many at once delete each command once, in batches', async () => {
  for (let count = 0; count < 25; count++) await made({ accepted: 40, ended: 40 });
  const all = await Promise.all(Array.from({ length: 4 }, () => deleteExpired(database, 30, 10)));
  expect(all.every((count) => count <= 10)).toBe(true);
  const rest = [
    await deleteExpired(database, 30, 10),
    await deleteExpired(database, 30, 10),
    await deleteExpired(database, 30, 10),
  ];
  expect([...all, ...rest].reduce((sum, count) => sum + count, 0)).toBe(25);
  expect(await left()).toEqual([]);
});

test('takes few at once where their outputs are long, and all of them in the end', async () => {
  const rows = [];
  for (let count = 0; count < 5; count++) rows.push(await made({ accepted: 40 - count, ended: 31 }));
  for (const { id } of rows) {
    await database
      .update(commands)
      .set({ output: randomBytes(5000).toString('hex') })
      .where(eq(commands.id, id));
  }
  expect(await deleteExpired(database, 30, 10, 25_000)).toBe(3);
  expect(await left()).toEqual(rows.slice(3).map(({ id }) => id));
  expect(await deleteExpired(database, 30, 10, 1)).toBe(1);
  expect(await deleteExpired(database, 30, 10, 25_000)).toBe(1);
  expect(await deleteExpired(database, 30, 10, 25_000)).toBe(0);
});

describe('an Idempotency-Key', () => {
  test('is forgotten no later than the command that it led to', async () => {
    const request = { keyId: 1, idempotencyKey: 'once', fingerprint: Buffer.from('a') };
    const { row } = await createAccept(database)(newCommand(), request);
    // The earliest that retention can take a command: it ended as it was accepted.
    await database
      .update(commands)
      .set({ state: 'succeeded', ok: true, output: '', ranAt: daysAgo(1), createdAt: daysAgo(1) });
    await database.update(idempotencyKeys).set({ createdAt: daysAgo(1) });
    expect(await deleteExpired(database, 1, 10)).toBe(1);
    const idempotency = createIdempotency(database);
    expect(await idempotency.find(request)).toBeNull();
    await idempotency.deleteExpired();
    expect(await database.select().from(idempotencyKeys)).toEqual([]);
    const again = await createAccept(database)(newCommand(), request);
    expect(again).toMatchObject({ replayed: false });
    expect(again.row.token).not.toBe(row.token);
  });
});
