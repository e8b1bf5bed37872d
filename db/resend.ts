import { sql } from 'drizzle-orm';
import type { Database } from './client.ts';
import { createIdempotency, type IdempotentRequest, remember } from './idempotency.ts';
import { deliveries } from './schema.ts';

const triesAtMost = 5;

export type Resend = ReturnType<typeof createResend>;

export function createResend(database: Database) {
  const idempotency = createIdempotency(database);

  /**
   * Begins a delivery's schedule anew, at once, unless the same request did so before.
   * @returns whether it did so before
   * @throws ApiError `idempotency_key_reused`
   */
  return async function resendOnce(
    command: { id: number; token: string },
    request: IdempotentRequest,
  ): Promise<{ replayed: boolean }> {
    for (let tries = 0; tries < triesAtMost; tries++) {
      const remembered = remember(database, request, command.token);
      const sent = database.$with('sent', { id: deliveries.id }).as(sql`
        update ${deliveries} set state = 'pending', attempt = 0, next_at = now(), locked_until = null, ended_at = null
        where ${deliveries.commandId} = ${command.id} and exists (select 1 from ${remembered}) returning id`);
      const [first] = await database.with(remembered, sent).select().from(sent);
      if (first) return { replayed: false };
      if ((await idempotency.find(request)) !== null) return { replayed: true };
    }
    throw new Error('a callback was neither sent again nor found to have been');
  };
}
