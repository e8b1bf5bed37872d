/** API keys. Secrets are kept as hashes only; which key is expired or deleted is decided by Postgres' clock. */
import { randomBytes } from 'node:crypto';
import { and, asc, eq, isNull, type SQL, sql } from 'drizzle-orm';
import { hashSecret } from '../lib/credentials.ts';
import { checkNewKey, type Key, type NewKey } from '../lib/key.ts';
import type { Seal } from '../lib/seal.ts';
import { generateSigningSecret } from '../lib/signing-secret.ts';
import type { Database } from './client.ts';
import { createKeyLookup } from './key-lookup.ts';
import { keys } from './schema.ts';

/** What is given out once: afterwards only the public id and the Api-Key can be read. */
export type GeneratedKey = { publicId: string; apiKey: string; apiSecret: string; signingSecret: string };

/** All that may be shown of a key. */
export type KeyRecord = Key & {
  apiKey: string;
  name: string | null;
  createdAt: Date;
  expiresAt: Date | null;
  expired: boolean;
  deletedAt: Date | null;
  lastUsedAt: Date | null;
};

const shown = {
  id: keys.id,
  publicId: keys.publicId,
  apiKey: keys.apiKey,
  name: keys.name,
  role: keys.role,
  owner: keys.owner,
  rules: keys.rules,
  servers: keys.servers,
  rateLimit: keys.rateLimit,
  allowRedirects: keys.allowRedirects,
  createdAt: keys.createdAt,
  expiresAt: keys.expiresAt,
  expired: sql<boolean>`coalesce(${keys.expiresAt} <= now(), false)`,
  deletedAt: keys.deletedAt,
  lastUsedAt: keys.lastUsedAt,
};

export type Keys = ReturnType<typeof createKeys>;

/** @param seal of the purpose `signing-secret`: a signing secret is sealed with its key's public id beside it */
export function createKeys(database: Database, seal: Seal) {
  return {
    ...createKeyLookup(database),

    /**
     * Makes a key. Its secret and signing secret cannot be read again.
     * @throws KeyError where the options are wrong; nothing is stored then
     */
    async generate(options: Partial<NewKey> = {}): Promise<GeneratedKey> {
      const { expiresAfterMs, rules, servers, ...key } = checkNewKey(options);
      const publicId = `key_${randomBytes(12).toString('hex')}`;
      const apiKey = randomBytes(16).toString('hex');
      const apiSecret = randomBytes(16).toString('hex');
      const signingSecret = generateSigningSecret();
      await database.insert(keys).values({
        ...key,
        rules: rules && [...rules],
        servers: servers && [...servers],
        expiresAt: expiresAfterMs === null ? null : fromNow(expiresAfterMs),
        publicId,
        apiKey,
        secretHash: hashSecret(apiSecret),
        sealedSigningSecret: seal.seal(signingSecret, publicId),
      });
      return { publicId, apiKey, apiSecret, signingSecret };
    },

    /** Every key in the order made, deleted ones included. */
    async list(): Promise<KeyRecord[]> {
      return await database.select(shown).from(keys).orderBy(asc(keys.id));
    },

    async get(apiKey: string): Promise<KeyRecord | null> {
      const [record] = await database.select(shown).from(keys).where(eq(keys.apiKey, apiKey));
      return record ?? null;
    },

    /** The key works no more, and stays for the record and for the deliveries that it signs. False where there is none. */
    async delete(apiKey: string): Promise<boolean> {
      const { rowCount } = await database.update(keys).set({ deletedAt: sql`now()` }).where(undeleted(apiKey));
      return rowCount === 1;
    },

    /**
     * Gives the key a new secret; the one until now works for `graceMs` more, and any before it no more. The signing
     * secret stays. Null where there is no such key.
     */
    async rotate(apiKey: string, graceMs: number): Promise<{ apiSecret: string } | null> {
      const apiSecret = randomBytes(16).toString('hex');
      const { rowCount } = await database
        .update(keys)
        .set({
          secretHash: hashSecret(apiSecret),
          previousSecretHash: keys.secretHash,
          previousSecretExpiresAt: fromNow(graceMs),
        })
        .where(undeleted(apiKey));
      return rowCount === 1 ? { apiSecret } : null;
    },

    /**
     * Gives the key a new signing secret, which every callback sent from now on is signed with. Its secret stays. Null
     * where there is no such key.
     */
    async rotateSigningSecret(apiKey: string): Promise<{ signingSecret: string } | null> {
      const [key] = await database.select({ publicId: keys.publicId }).from(keys).where(undeleted(apiKey));
      if (key === undefined) return null;
      const signingSecret = generateSigningSecret();
      const { rowCount } = await database
        .update(keys)
        .set({ sealedSigningSecret: seal.seal(signingSecret, key.publicId) })
        .where(undeleted(apiKey));
      return rowCount === 1 ? { signingSecret } : null;
    },

    /** Records that the keys were used just now, to the minute. */
    async touch(publicIds: readonly string[]): Promise<void> {
      await database
        .update(keys)
        .set({ lastUsedAt: sql`now()` })
        .where(sql`${keys.publicId} = any(${sql.param(publicIds)}) and
          (${keys.lastUsedAt} is null or ${keys.lastUsedAt} < now() - interval '30 seconds')`);
    },

    /**
     * Seals again, with the first secret key, every signing secret that another one sealed. Once none is left the other
     * can be taken out of `SECRET_KEY`.
     * @returns how many it sealed again, and which could not be opened, and why
     */
    async resealAll(): Promise<{ resealed: number; unopened: { publicId: string; reason: string }[] }> {
      const rows = await database
        .select({ id: keys.id, publicId: keys.publicId, sealed: keys.sealedSigningSecret })
        .from(keys)
        .orderBy(asc(keys.id));
      const unopened: { publicId: string; reason: string }[] = [];
      let resealed = 0;
      for (const { id, publicId, sealed } of rows.filter((row) => !seal.isCurrent(row.sealed))) {
        const again = sealAgain(seal, sealed, publicId);
        if ('reason' in again) {
          unopened.push({ publicId, reason: again.reason });
          continue;
        }
        await database
          .update(keys)
          .set({ sealedSigningSecret: again.sealed })
          .where(and(eq(keys.id, id), eq(keys.sealedSigningSecret, sealed)));
        resealed += 1;
      }
      return { resealed, unopened };
    },
  };
}

function undeleted(apiKey: string): SQL | undefined {
  return and(eq(keys.apiKey, apiKey), isNull(keys.deletedAt));
}

function fromNow(ms: number): SQL<Date> {
  return sql<Date>`now() + make_interval(secs => ${ms / 1000}::float8)`;
}

function sealAgain(seal: Seal, sealed: string, publicId: string): { sealed: string } | { reason: string } {
  try {
    return { sealed: seal.seal(seal.open(sealed, publicId), publicId) };
  } catch (error) {
    // One record that cannot be opened is to be reported, and keeps no other from being sealed again.
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}
