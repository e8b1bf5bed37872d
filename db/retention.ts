/** What has been kept for long enough. */
import { and, inArray, lt, sql } from 'drizzle-orm';
import type { Database } from './client.ts';
import { commands, deliveries } from './schema.ts';

/**
 * Deletes final commands that ended more than `days` ago, up to `limit` of them, with their callbacks; never one with a
 * callback on its way. Any number of processes may do so at once.
 * @returns how many it deleted
 */
export async function deleteExpired(database: Database, days: number, limit: number): Promise<number> {
  const earliest = sql`now() - make_interval(days => ${days})`;
  const pending = sql`exists (select 1 from ${deliveries}
    where ${deliveries.commandId} = ${commands.id} and ${deliveries.state} = 'pending')`;
  // What ended before then was accepted before then, and has an index in the order of acceptance.
  const expired = database.$with('expired').as(
    database
      .select({ id: commands.id })
      .from(commands)
      .where(and(lt(commands.createdAt, earliest), lt(commands.ranAt, earliest), sql`not ${pending}`))
      .orderBy(commands.createdAt)
      .limit(limit)
      .for('update', { skipLocked: true }),
  );
  // Looked at again once locked: one may have been asked to be sent again meanwhile.
  const callbacks = database.$with('callbacks').as(
    database
      .select({ commandId: deliveries.commandId, state: deliveries.state })
      .from(deliveries)
      .where(inArray(deliveries.commandId, sql`(select id from ${expired})`))
      .for('update'),
  );
  const { rowCount } = await database
    .with(expired, callbacks)
    .delete(commands)
    .where(
      sql`${commands.id} in (select id from ${expired}) and not exists (select 1 from ${callbacks}
        where ${callbacks.commandId} = ${commands.id} and ${callbacks.state} = 'pending')`,
    );
  return rowCount ?? 0;
}
