import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectDatabase, type Database } from '../../db/client.ts';
import { createKeys, type Keys } from '../../db/keys.ts';
import { hashSecret, verifySecret } from '../../lib/credentials.ts';
import type { Key } from '../../lib/key.ts';
import { createSeal } from '../../lib/seal.ts';
import { createDatabase } from '../support/database.ts';

const oldSecretKey = randomBytes(16).toString('hex');
const newSecretKey = randomBytes(16).toString('hex');
const seal = createSeal([oldSecretKey], 'signing-secret');

const failOnError = (error: Error) => {
  throw error;
};

let database: Database;
let keys: Keys;

beforeAll(async () => {
  const { url } = await createDatabase();
  database = connectDatabase(url, { maximum: 8, onError: failOnError });
  keys = createKeys(database, seal);
});

afterAll(() => database.$client.end());

async function row(publicId: string): Promise<Record<string, unknown>> {
  const { rows } = await database.$client.query('SELECT * FROM dokku_api.keys WHERE public_id = $1', [publicId]);
  return rows[0];
}

/** Moves a time of the row into the past, in place of waiting for it. */
async function setPast(publicId: string, column: 'expires_at' | 'previous_secret_expires_at' | 'last_used_at') {
  await database.$client.query(`UPDATE dokku_api.keys SET ${column} = now() - interval '1 hour' WHERE public_id = $1`, [
    publicId,
  ]);
}

async function verifies(apiKey: string, apiSecret: string): Promise<boolean> {
  return verifySecret(hashSecret(apiSecret), await keys.find(apiKey));
}

async function keyOf(apiKey: string, by = keys): Promise<Key | null> {
  const stored = await by.find(apiKey);
  return stored && (await by.describe(stored));
}

describe('generate', () => {
  test('gives out what the row does not hold in clear', async () => {
    const made = await keys.generate();
    expect(made.apiKey).toMatch(/^[0-9a-f]{32}$/);
    expect(made.apiSecret).toMatch(/^[0-9a-f]{32}$/);
    expect(made.publicId).toMatch(/^key_[0-9a-f]{24}$/);
    expect(made.signingSecret).toMatch(/^whsec_/);
    const stored = await row(made.publicId);
    expect(stored.secret_hash).toEqual(createHash('sha256').update(made.apiSecret).digest());
    expect(seal.open(String(stored.sealed_signing_secret), made.publicId)).toBe(made.signingSecret);
    const text = JSON.stringify(stored);
    expect(text).not.toContain(made.apiSecret);
    expect(text).not.toContain(made.signingSecret);
  });

  test('a sealed signing secret opens for no other key', async () => {
    const [one, other] = [await keys.generate(), await keys.generate()];
    const sealed = String((await row(one.publicId)).sealed_signing_secret);
    expect(() => seal.open(sealed, other.publicId)).toThrow('belongs to another record');
  });

  test('by default the key runs all commands of the default owner', async () => {
    const { apiKey, publicId } = await keys.generate();
    expect(await keyOf(apiKey)).toEqual({
      id: expect.any(Number),
      publicId,
      role: 'run',
      owner: 'default',
      rules: null,
      servers: null,
      rateLimit: null,
      allowRedirects: false,
    });
  });

  test('keeps all that bounds it', async () => {
    const { apiKey } = await keys.generate({
      name: 'CI of the shop',
      role: 'read',
      owner: 'shop',
      rules: ['apps:*', 'ps:restart shop'],
      servers: ['default', 'eu'],
      rateLimit: 60,
      allowRedirects: true,
      expiresAfterMs: 90 * 86_400_000,
    });
    const record = await keys.get(apiKey);
    expect(record).toMatchObject({ name: 'CI of the shop', expired: false, deletedAt: null, lastUsedAt: null });
    expect(Number(record?.expiresAt) - Number(record?.createdAt)).toBe(90 * 86_400_000);
    expect(await keyOf(apiKey)).toMatchObject({
      role: 'read',
      owner: 'shop',
      rules: ['apps:*', 'ps:restart shop'],
      servers: ['default', 'eu'],
      rateLimit: 60,
      allowRedirects: true,
    });
  });

  test.each([
    [{ rules: [] }, 'needs at least one'],
    [{ rules: ['apps:* **x'] }, '** may only stand alone'],
    [{ servers: [] }, 'needs at least one'],
    [{ servers: ['EU'] }, 'DOKKU_SERVERS'],
    [{ role: 'root' as never }, 'The role is unknown'],
    [{ owner: '' }, 'The owner is not usable'],
    [{ owner: 'a b' }, 'The owner is not usable'],
    [{ name: 'a\u001b[2Jb' }, 'The name is not usable'],
    [{ rateLimit: 0 }, 'The rate is not usable'],
    [{ rateLimit: 1.5 }, 'The rate is not usable'],
    [{ expiresAfterMs: 0 }, 'expires is not usable'],
    [{ expiresAfterMs: Number.NaN }, 'expires is not usable'],
  ])('refuses %j and stores nothing', async (options, message) => {
    const before = (await keys.list()).length;
    await expect(keys.generate(options)).rejects.toThrow(message);
    expect(await keys.list()).toHaveLength(before);
  });
});

test('an expired key is found, and not usable', async () => {
  const { apiKey, apiSecret, publicId } = await keys.generate({ expiresAfterMs: 60_000 });
  expect(await verifies(apiKey, apiSecret)).toBe(true);
  await setPast(publicId, 'expires_at');
  expect(await verifies(apiKey, apiSecret)).toBe(false);
  expect(await keys.get(apiKey)).toMatchObject({ expired: true });
});

describe('delete', () => {
  test('the key stays for the record and is usable no more', async () => {
    const { apiKey, apiSecret, publicId } = await keys.generate();
    expect(await keys.delete(apiKey)).toBe(true);
    expect(await verifies(apiKey, apiSecret)).toBe(false);
    expect(await keys.get(apiKey)).toMatchObject({ publicId, deletedAt: expect.any(Date) });
    expect(await keys.delete(apiKey)).toBe(false);
  });

  test('nothing else is deleted, and an unknown one is false', async () => {
    const { apiKey, apiSecret } = await keys.generate();
    expect(await keys.delete('0'.repeat(32))).toBe(false);
    expect(await verifies(apiKey, apiSecret)).toBe(true);
  });
});

describe('rotate', () => {
  test('the old secret works until the end of its grace, the new one at once', async () => {
    const { apiKey, apiSecret: old, publicId } = await keys.generate();
    const signing = (await row(publicId)).sealed_signing_secret;
    const rotated = await keys.rotate(apiKey, 3_600_000);
    expect(rotated?.apiSecret).toMatch(/^[0-9a-f]{32}$/);
    expect(await verifies(apiKey, old)).toBe(true);
    expect(await verifies(apiKey, rotated?.apiSecret ?? '')).toBe(true);
    await setPast(publicId, 'previous_secret_expires_at');
    expect(await verifies(apiKey, old)).toBe(false);
    expect(await verifies(apiKey, rotated?.apiSecret ?? '')).toBe(true);
    expect((await row(publicId)).sealed_signing_secret).toBe(signing);
  });

  test('without grace the old secret ends at once', async () => {
    const { apiKey, apiSecret: old } = await keys.generate();
    const rotated = await keys.rotate(apiKey, 0);
    expect(await verifies(apiKey, old)).toBe(false);
    expect(await verifies(apiKey, rotated?.apiSecret ?? '')).toBe(true);
  });

  test('a second rotation ends the secret before the last', async () => {
    const { apiKey, apiSecret: first } = await keys.generate();
    const second = await keys.rotate(apiKey, 3_600_000);
    await keys.rotate(apiKey, 3_600_000);
    expect(await verifies(apiKey, first)).toBe(false);
    expect(await verifies(apiKey, second?.apiSecret ?? '')).toBe(true);
  });

  test('a deleted key has no new secret, nor has an unknown one', async () => {
    const { apiKey } = await keys.generate();
    await keys.delete(apiKey);
    expect(await keys.rotate(apiKey, 0)).toBeNull();
    expect(await keys.rotate('0'.repeat(32), 0)).toBeNull();
  });
});

test('touch stores when a key was used, and no more often than it has to', async () => {
  const { publicId } = await keys.generate();
  const other = await keys.generate();
  await keys.touch([publicId]);
  const first = (await row(publicId)).last_used_at;
  expect(first).toBeInstanceOf(Date);
  await keys.touch([publicId]);
  expect((await row(publicId)).last_used_at).toEqual(first);
  await setPast(publicId, 'last_used_at');
  await keys.touch([publicId, other.publicId]);
  for (const id of [publicId, other.publicId]) {
    expect(Number((await row(id)).last_used_at)).toBeGreaterThanOrEqual(Number(first));
  }
});

test('signing secrets are sealed again with a new SECRET_KEY, but for those that none opens', async () => {
  const { url } = await createDatabase();
  const pool = connectDatabase(url, { maximum: 2, onError: failOnError });
  try {
    const before = createKeys(pool, seal);
    const made = [await before.generate(), await before.generate()];
    await before.delete(made[1]?.apiKey ?? '');
    const foreign = await createKeys(pool, createSeal([randomBytes(16).toString('hex')], 'signing-secret')).generate();
    const after = createKeys(pool, createSeal([newSecretKey, oldSecretKey], 'signing-secret'));
    expect(await after.resealAll()).toEqual({
      resealed: 2,
      unopened: [{ publicId: foreign.publicId, reason: expect.stringContaining('SECRET_KEY that is not configured') }],
    });
    expect((await after.resealAll()).resealed).toBe(0);
    const onlyNew = createSeal([newSecretKey], 'signing-secret');
    for (const { publicId, signingSecret } of made) {
      const { rows } = await pool.$client.query(
        'SELECT sealed_signing_secret AS sealed FROM dokku_api.keys WHERE public_id = $1',
        [publicId],
      );
      expect(onlyNew.open(rows[0].sealed, publicId)).toBe(signingSecret);
    }
  } finally {
    await pool.$client.end();
  }
});
