import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAccept } from '../../db/accept.ts';
import { connectDatabase, type Database } from '../../db/client.ts';
import { createCommands } from '../../db/commands.ts';
import { createDeliveries, type Deliveries } from '../../db/deliveries.ts';
import { keys } from '../../db/schema.ts';
import { createDatabase } from '../support/database.ts';
import { newCommand } from '../support/new-command.ts';

let database: Database;
let deliveries: Deliveries;

const success = { status: 200, error: null, durationMs: 5, state: 'delivered', nextAfterMs: null } as const;

beforeAll(async () => {
  database = connectDatabase((await createDatabase()).url, { maximum: 4, onError: () => undefined });
  deliveries = createDeliveries(database);
  await database
    .insert(keys)
    .values({ publicId: 'key_test', apiKey: 'a', secretHash: Buffer.alloc(32), sealedSigningSecret: 'sealed' });
});

afterAll(async () => await database.$client.end());

/** A canceled command has a delivery that is due at once. */
async function due(host = 'receiver.example'): Promise<number> {
  const { row } = await createAccept(database)(newCommand({ callbackUrl: `https://${host}/` }), null);
  await createCommands(database).cancel(row.id);
  return row.id;
}

async function take() {
  const [taken] = await deliveries.takeDue(1, 4, []);
  if (!taken) throw new Error('nothing was due');
  return taken.delivery;
}

test('a delivery is taken by one, and is over when it was delivered', async () => {
  const id = await due();
  const takes = await Promise.all([1, 2, 3].map(() => deliveries.takeDue(10, 4, [])));
  const [taken] = takes.flat();
  expect(takes.flat()).toHaveLength(1);
  if (taken) await deliveries.recordAttempt(taken.delivery, success);
  expect(await deliveries.find(id)).toMatchObject({
    delivery: { state: 'delivered', attempt: 1, nextAt: null },
    attempts: [{ number: 1, status: 200 }],
  });
  expect(await deliveries.takeDue(10, 4, [])).toEqual([]);
});

test('no host has more than its share, those under way included', async () => {
  for (let count = 0; count < 6; count++) await due('slow.example');
  await due('fast.example');
  const taken = await deliveries.takeDue(64, 4, []);
  const hosts = taken.map(({ delivery }) => delivery.host);
  expect(hosts.filter((host) => host === 'slow.example')).toHaveLength(4);
  expect(hosts).toContain('fast.example');
  const underWay = Array.from({ length: 4 }, () => 'slow.example');
  expect(await deliveries.takeDue(64, 4, underWay)).toEqual([]);
  await due('other.example');
  expect((await deliveries.takeDue(64, 4, underWay)).map(({ delivery }) => delivery.host)).toEqual(['other.example']);
  expect(await deliveries.takeDue(64, 4, underWay.slice(1))).toHaveLength(1);
  expect(await deliveries.takeDue(64, 4, [])).toHaveLength(1);
});

test('what was taken and is let go is due at once, unless another has taken it since', async () => {
  await due();
  const first = await take();
  await deliveries.letGo([first]);
  const second = await take();
  expect(second.id).toBe(first.id);
  await deliveries.letGo([first]);
  expect(await deliveries.takeDue(10, 4, [])).toEqual([]);
  await deliveries.recordAttempt(second, success);
});

test('what is sent again while an attempt is under way is sent again all the same', async () => {
  const id = await due();
  const first = await take();
  await deliveries.sendAgain(id);
  const second = await take();
  expect(second).toMatchObject({ id: first.id, webhookId: first.webhookId, attempt: 0 });
  await deliveries.recordAttempt(first, success);
  expect(await deliveries.find(id)).toMatchObject({ delivery: { state: 'pending' }, attempts: [{ number: 1 }] });
  await deliveries.recordAttempt(second, success);
  expect(await deliveries.find(id)).toMatchObject({ delivery: { state: 'delivered' }, attempts: [{}, { number: 2 }] });
});

test('attempts that end at once are recorded each with its own delivery', async () => {
  const ids = [];
  for (let host = 0; host < 20; host++) ids.push(await due(`receiver-${host}.example`));
  const taken = (await deliveries.takeDue(64, 4, [])).map(({ delivery }) => delivery);
  expect(taken.map(({ commandId }) => commandId).toSorted((a, b) => a - b)).toEqual(ids);
  const endOf = (id: number) =>
    id % 2 === 0
      ? success
      : ({ status: 503, error: null, durationMs: id, state: 'pending', nextAfterMs: 60_000 } as const);
  await Promise.all(taken.map((delivery) => deliveries.recordAttempt(delivery, endOf(delivery.commandId))));
  for (const id of ids) {
    const { status, durationMs, state } = endOf(id);
    const found = await deliveries.find(id);
    expect(found).toMatchObject({
      delivery: { state, attempt: 1, lockedUntil: null },
      attempts: [{ number: 1, status, durationMs }],
    });
    expect(found?.delivery.nextAt === null).toBe(state === 'delivered');
    expect(found?.delivery.endedAt === null).toBe(state === 'pending');
  }
});
