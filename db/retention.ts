/** What has been kept for long enough. */
import { and, inArray, lt, sql } from 'drizzle-orm';
import type { Database } from './client.ts';
import { commands, deliveries } from './schema.ts';

/** Of outputs, as they are stored: Postgres deletes them chunk by chunk, and many long ones would outlast its time limit. */
const bytesAtOnce = 32 * 1024 * 1024;

/**
 * Deletes final commands that ended more than `days` ago, up to `limit` of them, with their callbacks; never one with a
 * callback on its way. Any number of processes may do so at once.
 * @param bytes of outputs above which no further command is taken
 * @returns how many it deleted: none where there is nothing more to do now
 */
export async function deleteExpired(
  database: Database,
  days: number,
  limit: number,
  bytes = bytesAtOnce,
): Promise<number> {
  const earliest = sql`now() - make_interval(days => ${days})`;
  const pending = sql`exists (select 1 from ${deliveries}
    where ${deliveries.commandId} = ${commands.id} and ${deliveries.state} = 'pending')`;
  // What ended before then was accepted before then, and has an index in the order of acceptance.
  const found = database.$with('found').as(
    database
      .select({
        id: commands.id,
        createdAt: commands.createdAt,
        bytes: sql<number>`coalesce(pg_column_size(${commands.output}), 0)
          + coalesce(pg_column_size(${commands.lateOutput}), 0)`.as('bytes'),
      })
      .from(commands)
      .where(and(lt(commands.createdAt, earliest), lt(commands.ranAt, earliest), sql`not ${pending}`))
      .orderBy(commands.createdAt)
      .limit(limit)
      .for('update', { skipLocked: true }),
  );
  const expired = database.$with('expired', { id: sql<number>`id`.as('id') }).as(sql`
    select id from (
      select id, sum(bytes) over (order by created_at, id rows between unbounded preceding and 1 preceding) as before
      from ${found}
    ) measured where coalesce(before, 0) < ${bytes}`);
  // Looked at again once locked: one may have been asked to be sent again meanwhile.
  const callbacks = database.$with('callbacks').as(
    database
      .select({ commandId: deliveries.commandId, state: deliveries.state })
      .from(deliveries)
      .where(inArray(deliveries.commandId, sql`(select id from ${expired})`))
      .for('update'),
  );
  const { rowCount } = await database
    .with(found, expired, callbacks)
    .delete(commands)
    .where(
      sql`${commands.id} in (select id from ${expired}) and not exists (select 1 from ${callbacks}
        where ${callbacks.commandId} = ${commands.id} and ${callbacks.state} = 'pending')`,
    );
  return rowCount ?? 0;
}
