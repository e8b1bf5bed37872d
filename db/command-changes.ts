/**
 * What changed, for whoever waits. Transactions commit in another order than their numbers, so that what is visible up
 * to a number does not mean that all below it is: only below the horizon of a snapshot nothing can appear any more.
 */
import { sql } from 'drizzle-orm';
import type { Change, ChangePosition, ChangeSweep } from '../lib/change-feed.ts';
import type { Database } from './client.ts';
import { commands } from './schema.ts';

export type CommandChanges = ReturnType<typeof createCommandChanges>;

export function createCommandChanges(database: Database) {
  const ofIdsStatement = database
    .select({ id: commands.id, changedIn: commands.changedIn })
    .from(commands)
    .where(sql`${commands.id} = any(${sql.placeholder('ids')})`)
    .prepare('command_changes');

  return {
    /** The last change of each of the commands. */
    async ofIds(ids: readonly number[]): Promise<{ id: number; changedIn: string }[]> {
      return await ofIdsStatement.execute({ ids: [...ids] });
    },

    /** Below it, every transaction has ended: `pg_snapshot_xmin` of now. */
    async horizon(): Promise<string> {
      const { rows } = await database.execute<{ horizon: string }>(
        sql`select pg_snapshot_xmin(pg_current_snapshot())::text as horizon`,
      );
      return rows[0]?.horizon ?? '0';
    },

    /**
     * The last changes of the owner's commands, or of everybody's, behind a position in the order of transactions.
     * @returns them with the horizon of the same snapshot
     */
    async sweep(from: ChangePosition, owner: string | null, limit: number): Promise<ChangeSweep> {
      const owned = owner === null ? sql`` : sql`and owner = ${owner}`;
      const { rows } = await database.execute<{ horizon: string; id: string | null } & Omit<Change, 'id'>>(sql`
        select pg_snapshot_xmin(pg_current_snapshot())::text as horizon, changed.id, changed.owner,
          changed.changed_in as "changedIn"
        from (values (1)) as one left join lateral (
          select id, owner, changed_in from ${commands}
          where (changed_in, id) > (${from.changedIn}::xid8, ${from.id}::bigint) ${owned}
          order by changed_in, id limit ${limit}
        ) changed on true`);
      return {
        horizon: rows[0]?.horizon ?? '0',
        changes: rows.flatMap(({ id, owner, changedIn }) =>
          id === null ? [] : [{ id: Number(id), owner, changedIn }],
        ),
      };
    },
  };
}
