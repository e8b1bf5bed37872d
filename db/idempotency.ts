import { and, eq, sql } from 'drizzle-orm';
import { ApiError } from '../lib/errors.ts';
import type { Database } from './client.ts';
import { idempotencyKeys } from './schema.ts';

/** For so long the answer to a request is remembered by its `Idempotency-Key`. */
const remembered = sql.raw("interval '24 hours'");
const expiredBatch = 1000;

/** What an API key sent as `Idempotency-Key`, and what the request was. */
export type IdempotentRequest = { keyId: number; idempotencyKey: string; fingerprint: Buffer };

export type Idempotency = ReturnType<typeof createIdempotency>;

export function createIdempotency(database: Database) {
  return {
    /**
     * The token that the first request with this key led to; null where none is remembered.
     * @throws ApiError `idempotency_key_reused` where that was another request
     */
    async find(request: IdempotentRequest): Promise<string | null> {
      const [row] = await database
        .select({ token: idempotencyKeys.token, fingerprint: idempotencyKeys.fingerprint })
        .from(idempotencyKeys)
        .where(
          and(
            eq(idempotencyKeys.keyId, request.keyId),
            eq(idempotencyKeys.idempotencyKey, request.idempotencyKey),
            sql`${idempotencyKeys.createdAt} > now() - ${remembered}`,
          ),
        );
      if (row === undefined) return null;
      if (!row.fingerprint.equals(request.fingerprint)) {
        throw new ApiError(
          'idempotency_key_reused',
          'This Idempotency-Key was sent with another request before. Send a new key with each new request.',
        );
      }
      return row.token;
    },

    async deleteExpired(): Promise<void> {
      await database.execute(sql`delete from ${idempotencyKeys} where ctid = any(array(
        select ctid from ${idempotencyKeys} where ${idempotencyKeys.createdAt} <= now() - ${remembered} limit ${expiredBatch}))`);
    },
  };
}

/**
 * The statement that remembers a request, for others to depend on: it has a row where the request is the first, or the
 * first since the last was forgotten; none where it repeats another. Who comes second waits for the first to commit.
 */
export function remember(database: Database, request: IdempotentRequest, token: string) {
  return database.$with('remembered', { token: idempotencyKeys.token }).as(sql`
    insert into ${idempotencyKeys} (key_id, idempotency_key, fingerprint, token)
    values (${request.keyId}, ${request.idempotencyKey}, ${request.fingerprint}, ${token})
    on conflict (key_id, idempotency_key) do update
      set fingerprint = excluded.fingerprint, token = excluded.token, created_at = now()
      where ${idempotencyKeys.createdAt} <= now() - ${remembered}
    returning token`);
}
