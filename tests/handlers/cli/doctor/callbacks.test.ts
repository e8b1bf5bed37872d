import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createAccept } from '../../../../db/accept.ts';
import { connectDatabase, type Database } from '../../../../db/client.ts';
import { createDeliveries } from '../../../../db/deliveries.ts';
import { createKeys } from '../../../../db/keys.ts';
import { attempts, deliveries, keys } from '../../../../db/schema.ts';
import { checkCallbacks } from '../../../../handlers/cli/doctor/callbacks.ts';
import { remediesFor } from '../../../../handlers/cli/doctor/remedies.ts';
import { checkSigningSecrets } from '../../../../handlers/cli/doctor/signing-secrets.ts';
import { createSeal } from '../../../../lib/seal.ts';
import { createDatabase } from '../../../support/database.ts';
import { newCommand } from '../../../support/new-command.ts';
import { remedyIn, typeIntoShell } from './patient.ts';

let database: Database;
const remedies = remediesFor('host');

beforeAll(async () => {
  const { url } = await createDatabase();
  database = connectDatabase(url, { maximum: 2, onError: () => undefined });
});

afterAll(async () => await database.$client.end());

beforeEach(async () => {
  await database.delete(deliveries);
  await database.delete(keys);
});

/** A callback that was given up after one attempt. */
async function giveUp(host: string, attempt: { status: number | null; error: string | null }) {
  return await fail(host, attempt, { state: 'dead', endedAt: new Date() });
}

async function fail(
  host: string,
  attempt: { status: number | null; error: string | null },
  delivery: Partial<typeof deliveries.$inferInsert>,
) {
  const { row } = await createAccept(database)(newCommand({ callbackUrl: `https://${host}/hook` }), null);
  const [stored] = await database
    .insert(deliveries)
    .values({
      commandId: row.id,
      webhookId: `msg_${randomBytes(8).toString('hex')}`,
      url: `https://${host}/hook`,
      host,
      keyId: 1,
      attempt: 1,
      ...delivery,
    })
    .returning();
  await database.insert(attempts).values({ deliveryId: stored?.id ?? 0, number: 1, durationMs: 5, ...attempt });
  return row;
}

async function look(callbackAllow = ''): Promise<string[]> {
  const findings = await checkCallbacks(database, { callbackAllow, remedies });
  return findings.map(
    (finding) => `${finding.status}: ${finding.says}${'remedy' in finding ? ` → ${finding.remedy}` : ''}`,
  );
}

test('none', async () => {
  expect(await look()).toEqual(['ok: none fails, and none was given up within a day']);
});

test('failing and tried again, until it is asked for anew', async () => {
  const { id, token } = await fail(
    'hooks.example.com',
    { status: null, error: 'connection_refused' },
    { state: 'pending', nextAt: new Date(Date.now() + 60_000) },
  );
  expect(await look()).toEqual([
    `warning: 1 to hooks.example.com fails; the last, of command ${token}: connection_refused, and will be tried again by itself → curl -X POST -H 'Api-Key: KEY' -H 'Api-Secret: SECRET' http://127.0.0.1:3000/commands/${token}/deliveries (once hooks.example.com answers 2xx)`,
  ]);
  await createDeliveries(database).sendAgain(id);
  expect(await look()).toEqual(['ok: none fails, and none was given up within a day']);
});

test('not sent, for want of the key that sealed the signing secret', async () => {
  await fail('hooks.example.com', { status: null, error: 'not_sent' }, { state: 'pending' });
  expect(await look()).toEqual([expect.stringMatching(/→ export SECRET_KEY=THE_PRESENT_ONE,THE_ONE_BEFORE$/)]);
});

test('given up, and sent again', async () => {
  await giveUp('hooks.example.com', { status: null, error: 'connection_failed' });
  const last = await giveUp('hooks.example.com', { status: 503, error: null });
  const again = `curl -X POST -H 'Api-Key: KEY' -H 'Api-Secret: SECRET' http://127.0.0.1:3000/commands/${last.token}/deliveries`;
  expect(await look()).toEqual([
    `warning: 2 to hooks.example.com were given up within a day; the last, of command ${last.token}: it answered 503 → ${again} (once hooks.example.com answers 2xx)`,
  ]);
  await createDeliveries(database).sendAgain(last.id);
  expect(await look()).toEqual([expect.stringMatching(/^warning: 1 to hooks.example.com was given up/)]);
});

test('to an address that is not allowed', async () => {
  const row = await giveUp('hooks.internal:8080', { status: null, error: 'address_not_allowed' });
  const [problem] = await look('10.0.0.0/8');
  const remedy = 'export CALLBACK_ALLOW=10.0.0.0/8,hooks.internal';
  expect(problem).toBe(
    `warning: 1 to hooks.internal:8080 was given up within a day; the last, of command ${row.token}: address_not_allowed → ${remedy}`,
  );
  expect(typeIntoShell(remedyIn(problem), {}).CALLBACK_ALLOW).toBe('10.0.0.0/8,hooks.internal');
});

test('refused by their receiver with 410', async () => {
  await giveUp('hooks.example.com', { status: 410, error: null });
  expect(await look()).toEqual(['ok: none fails, and none was given up within a day']);
});

test('signing secrets that another SECRET_KEY sealed', async () => {
  const before: [string] = ['the secret key of before, of 32 characters'];
  const present: [string] = ['the present secret key, of 32 characters'];
  const { publicId } = await createKeys(database, createSeal(before, 'signing-secret')).generate();
  expect(await checkSigningSecrets(database, before, remedies)).toMatchObject({ status: 'ok' });
  const remedy = 'export SECRET_KEY=THE_PRESENT_ONE,THE_ONE_BEFORE';
  expect(await checkSigningSecrets(database, present, remedies)).toEqual({
    check: 'signing secrets',
    status: 'failed',
    says: `those of ${publicId} were sealed with another SECRET_KEY: their callbacks are not sent`,
    remedy,
  });
  expect(await checkSigningSecrets(database, [...present, ...before], remedies)).toMatchObject({ status: 'ok' });
});
