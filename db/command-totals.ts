/**
 * Commands that became final, each told once: by the order of transactions, in which nothing can appear any more below
 * the oldest one under way.
 */
import { sql } from 'drizzle-orm';
import type { CommandReason, FinalState } from '../lib/command.ts';
import type { Database } from './client.ts';
import { commands } from './schema.ts';

/** Null times: it never ran. */
export type EndedCommand = {
  server: string;
  state: FinalState;
  reason: CommandReason | null;
  runSeconds: number | null;
  waitSeconds: number | null;
};

/** Up to where changes were read, in the order of their transactions and then of ids, and when that was. */
type Position = { transaction: string; id: string; at: string };

type Change = EndedCommand & { transaction: string; id: string; isEnd: boolean };

export type CommandTotals = ReturnType<typeof createCommandTotals>;

/** @param changesAtOnce a look reads no more */
export function createCommandTotals(database: Database, changesAtOnce = 20_000) {
  let read: Position | undefined;

  async function present(): Promise<Position> {
    const { rows } = await database.execute<{ transaction: string; at: string }>(
      sql`select pg_snapshot_xmin(pg_current_snapshot())::text as transaction, now()::text as at`,
    );
    return { transaction: rows[0]?.transaction ?? '0', id: '0', at: rows[0]?.at ?? '' };
  }

  /**
   * A late result changes a command that was told before; imported ones ended before they came. A transaction that was
   * under way at the look before may have begun a while earlier, though less than a minute.
   */
  const isEnd = (from: Position) => sql`ran_at is not null and ran_at > ${from.at}::timestamptz
    - case when late_ok is null then interval '1 minute' else interval '0' end`;

  return {
    /**
     * What ended since the call before; nothing at the first one. It may be told in parts: `more` says that another
     * call would tell the next.
     */
    async endedSince(): Promise<{ ended: EndedCommand[]; more: boolean }> {
      const now = await present();
      // A database that was restored from a backup may count its transactions anew.
      if (read === undefined || BigInt(read.transaction) > BigInt(now.transaction)) {
        read = now;
        return { ended: [], more: false };
      }
      const { rows } = await database.execute<Change>(sql`
        select changed_in::text as transaction, id::text as id, server, state, reason, coalesce(${isEnd(read)}, false) as "isEnd",
          duration_ms / 1000.0::float8 as "runSeconds",
          extract(epoch from started_at - created_at)::float8 as "waitSeconds"
        from ${commands}
        where (changed_in, id) > (${read.transaction}::xid8, ${read.id}::bigint) and changed_in < ${now.transaction}::xid8
        order by changed_in, id limit ${changesAtOnce}`);
      const last = rows.length === changesAtOnce ? rows.at(-1) : undefined;
      read = last === undefined ? now : { transaction: last.transaction, id: last.id, at: read.at };
      const ended = rows
        .filter((row) => row.isEnd)
        .map(({ server, state, reason, runSeconds, waitSeconds }) => ({
          server,
          state,
          reason,
          runSeconds,
          waitSeconds,
        }));
      return { ended, more: last !== undefined };
    },
  };
}
