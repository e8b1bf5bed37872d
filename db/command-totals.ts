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

/** Up to where commands were told. */
type Position = { transaction: bigint; at: string };

/** A look reads no more than what so many transactions changed. */
const transactionsAtOnce = 20_000n;

export type CommandTotals = ReturnType<typeof createCommandTotals>;

export function createCommandTotals(database: Database) {
  let told: Position | undefined;

  async function present(): Promise<Position> {
    const { rows } = await database.execute<{ transaction: string; at: string }>(
      sql`select pg_snapshot_xmin(pg_current_snapshot())::text as transaction, now()::text as at`,
    );
    return { transaction: BigInt(rows[0]?.transaction ?? 0), at: rows[0]?.at ?? '' };
  }

  return {
    /**
     * What ended since the call before; nothing at the first one. It may be told in parts: `more` says that another
     * call would tell the next.
     */
    async endedSince(): Promise<{ ended: EndedCommand[]; more: boolean }> {
      const now = await present();
      // A database that was restored from a backup may count its transactions anew.
      if (told === undefined || told.transaction > now.transaction) {
        told = now;
        return { ended: [], more: false };
      }
      const from = told;
      const end = from.transaction + transactionsAtOnce;
      const to = end < now.transaction ? end : now.transaction;
      // A late result changes a command that was told before.
      const { rows } = await database.execute<EndedCommand>(sql`
        select server, state, reason, duration_ms / 1000.0::float8 as "runSeconds",
          extract(epoch from started_at - created_at)::float8 as "waitSeconds"
        from ${commands}
        where changed_in >= ${String(from.transaction)}::xid8 and changed_in < ${String(to)}::xid8
          and ran_at is not null and (late_ok is null or ran_at > ${from.at}::timestamptz)`);
      told = { transaction: to, at: to === now.transaction ? now.at : from.at };
      return { ended: rows, more: to < now.transaction };
    },
  };
}
