/**
 * Every change of a command's state is one function here, and one statement: whatever is killed, a command is in one
 * of its states, with its delivery stored beside its result. The functions return the row as it has become, or null
 * where the row was no longer in the state that the change starts from.
 */
import { and, eq, inArray, isNull, lt, type SQL, sql } from 'drizzle-orm';
import { inBatches } from '../lib/batches.ts';
import { type CommandReason, type CommandState, type ResultData, reasonStates } from '../lib/command.ts';
import { onFirstUse } from '../lib/on-first-use.ts';
import { type Database, isRejected } from './client.ts';
import { endCommands } from './command-end.ts';
import { createCommandLookup } from './command-lookup.ts';
import { heldLease, type LeaseClaim } from './leases.ts';
import { isQueued, queueHead } from './queue.ts';
import { deleteExpired } from './retention.ts';
import { endedRuns, prepareRunStatements } from './run-statements.ts';
import { type CommandRow, commands, workers } from './schema.ts';

/** The daemon's answer to a run. `durationMs` by the worker's monotonic clock. */
export type RunReply = { kind: 'reply'; ok: boolean; output: string; truncated: boolean; durationMs: number };

/** How a run ended. */
export type RunResult = RunReply | { kind: 'no_reply'; reason: CommandReason; durationMs: number };

const thisTransaction = sql`pg_current_xact_id()`;
const unsent = { state: 'queued', epoch: null, startedAt: null, changedIn: thisTransaction } as const;

/** Null where the command was not running any more. */
type FinishedAndClaimed = { ended: CommandRow; next: CommandRow | null } | null;
type EndedRun = { id: number } & LeaseClaim & ReturnType<typeof endOf>;

export type Commands = ReturnType<typeof createCommands>;

export function createCommands(database: Database) {
  const statements = onFirstUse(() => prepareRunStatements(database));
  const findByToken = createCommandLookup(database);
  const finishAndClaimTogether = inBatches({
    // Few, so that each serves several servers; more than two, since ends would wait while processors stand idle. One
    // lease that is locked, or a connection that hangs, does not hold up all servers.
    callsAtMost: 3,
    itemsAtMost: 32,
    call: async (ends: readonly EndedRun[]): Promise<FinishedAndClaimed[]> => {
      const rows = await statements().finishAndClaim(endedRuns.valuesOf(ends));
      const ids = new Set(ends.map(({ id }) => id));
      const ended = new Map(rows.filter(({ id }) => ids.has(id)).map((row) => [row.id, row]));
      const claimed = new Map(rows.filter(({ id }) => !ids.has(id)).map((row) => [row.server, row]));
      return ends.map(({ id, server }) => {
        const row = ended.get(id);
        return row ? { ended: row, next: claimed.get(server) ?? null } : null;
      });
    },
    isOfOne: isRejected,
  });

  /** The row that a claim whose answer was not had made `running` under this lease, if it did. */
  async function findClaimed(held: LeaseClaim): Promise<CommandRow | null> {
    const [row] = await database
      .select()
      .from(commands)
      .where(and(eq(commands.server, held.server), eq(commands.state, 'running'), eq(commands.epoch, held.epoch)));
    return row ?? null;
  }

  /**
   * Back to `queued`: only for a claim whose command was provably never written to the daemon. It undoes that one claim:
   * a try of it that arrives late, when the command was claimed again and sent, changes nothing.
   */
  async function putBack(claimed: Pick<CommandRow, 'id' | 'changedIn'>): Promise<CommandRow | null> {
    const [row] = await database
      .update(commands)
      .set(unsent)
      .where(and(eq(commands.id, claimed.id), eq(commands.changedIn, claimed.changedIn), eq(commands.state, 'running')))
      .returning();
    return row ?? null;
  }

  return {
    /**
     * Makes the oldest queued command of the server `running`, where the lease is still the caller's and not blocked.
     * @throws a unique violation of `commands_running` where another row is in the way: see `clearTheWay`
     */
    async claim(held: LeaseClaim): Promise<CommandRow | null> {
      const [row] = await statements().claim(held);
      return row ?? null;
    },

    findClaimed,

    putBack,

    /**
     * Stores the daemon's answer as `finish` does, and with it claims the server's next command as `claim` does: one
     * commit a command in place of two, which servers whose commands end at once share. Claims nothing where nothing was
     * finished.
     */
    async finishAndClaim(id: number, held: LeaseClaim, run: RunReply): Promise<FinishedAndClaimed> {
      const { server, owner, epoch } = held;
      return await finishAndClaimTogether({ id, server, owner, epoch, ...endOf(run) });
    },

    /** Stores the one final state of a run, its result and its delivery; `timed_out` and `lost` block the server. */
    async finish(id: number, held: LeaseClaim, run: RunResult): Promise<CommandRow | null> {
      const ended = endOf(run);
      const statement = blocks(ended.state) ? statements().finishBlocking : statements().finish;
      const [row] = await statement({ id, ...held, ...ended });
      return row ?? null;
    },

    /** What the daemon still answered after `timed_out` or `lost`; the first one stays. */
    async recordLateResult(id: number, late: ResultData): Promise<CommandRow | null> {
      const [row] = await database
        .update(commands)
        .set({ lateOk: late.ok, lateOutput: late.output, changedIn: thisTransaction })
        .where(and(eq(commands.id, id), inArray(commands.state, ['timed_out', 'lost']), isNull(commands.lateOk)))
        .returning();
      return row ?? null;
    },

    /**
     * For the holder of a lease that has nothing in hand: a `running` row of an older epoch is `lost` and blocks the
     * server; one of its own epoch is a claim whose answer was not had, so it was never sent and goes back to `queued`.
     */
    async clearTheWay(held: LeaseClaim): Promise<{ lost: CommandRow[]; putBack: CommandRow[] }> {
      const lost = await endCommands(database, {
        where: and(eq(commands.server, held.server), eq(commands.state, 'running'), lt(commands.epoch, held.epoch)),
        set: noReply('command_lost'),
        blocks: held.server,
        heldBy: held,
      });
      const claimed = await findClaimed(held);
      const back = claimed && (await putBack(claimed));
      return { lost, putBack: back ? [back] : [] };
    },

    /**
     * Adds to the time that the server's next command has waited for a daemon that does not accept; where that reached
     * the limit the command fails as `daemon_unavailable`, and is returned.
     */
    async chargeWait(held: LeaseClaim, elapsedMs: number, limitMs: number): Promise<CommandRow | null> {
      const own = database.$with('own').as(heldLease(database, held, { unblocked: true }).for('share'));
      const sinceAccepted = sql`extract(epoch from clock_timestamp() - ${commands.createdAt}) * 1000`;
      const head = database.$with('head').as(
        database
          .select({
            id: commands.id,
            waited: sql<number>`${commands.waitedMs} + least(${Math.round(elapsedMs)}, ${sinceAccepted})::bigint`.as(
              'waited',
            ),
          })
          .from(commands)
          .where(and(isQueued(held.server), sql`exists (select 1 from ${own})`))
          .orderBy(queueHead)
          .for('update'),
      );
      const charged = database.$with('charged', { id: commands.id }).as(sql`
        update ${commands} set waited_ms = head.waited from head
        where ${commands.id} = head.id and head.waited < ${limitMs} returning ${commands.id}`);
      const [row] = await endCommands(database, {
        where: sql`${commands.id} in (select id from head where waited >= ${limitMs})`,
        set: noReply('daemon_unavailable'),
        after: [own, head, charged],
      });
      return row ?? null;
    },

    /** Cancels a command that is still queued. A claim that races it has one winner. */
    async cancel(id: number): Promise<CommandRow | null> {
      const [row] = await endCommands(database, {
        where: and(eq(commands.id, id), eq(commands.state, 'queued')),
        set: noReply('command_canceled'),
      });
      return row ?? null;
    },

    /**
     * Ends what was accepted for a server that is configured nowhere any more: queued commands fail, a running one is
     * lost and blocks the server, should it come back. Nothing happens where a worker outside of `deadWorkers` lists the server.
     */
    async endRemovedServer(server: string, deadWorkers: readonly string[]): Promise<CommandRow[]> {
      const unheard = sql`not exists (select 1 from ${workers} where ${server} = any(${workers.servers})
        and ${workers.id} <> all(${sql.param(deadWorkers)}))`;
      const failed = await endCommands(database, {
        where: and(eq(commands.server, server), eq(commands.state, 'queued'), unheard),
        set: noReply('server_removed'),
      });
      const lost = await endCommands(database, {
        where: and(eq(commands.server, server), eq(commands.state, 'running'), unheard),
        set: noReply('command_lost'),
        blocks: server,
      });
      return [...failed, ...lost];
    },

    /** The servers that commands wait for or run on, found by skipping from one server to the next in the indexes. */
    async serversWithWork(): Promise<string[]> {
      const { rows } = await database.execute<{ server: string }>(sql`
        with recursive queued as (
          (select server from ${commands} where state = 'queued' order by server limit 1)
          union all
          select (select following.server from ${commands} following
            where following.state = 'queued' and following.server > queued.server order by following.server limit 1)
          from queued where queued.server is not null
        )
        select server from queued where server is not null
        union select server from ${commands} where state = 'running'`);
      return rows.map((row) => row.server);
    },

    findByToken,

    /** Deletes up to `limit` final commands older than `days` that have nothing left to deliver; returns how many. */
    async deleteExpired(days: number, limit: number): Promise<number> {
      return await deleteExpired(database, days, limit);
    },
  };
}

/** The columns that say how a run ended. */
function endOf(run: RunResult) {
  const durationMs = Math.round(run.durationMs);
  if (run.kind === 'no_reply') {
    return {
      state: reasonStates[run.reason],
      reason: run.reason,
      ok: false,
      output: run.reason,
      truncated: false,
      durationMs,
    };
  }
  const { ok, output, truncated } = run;
  return { state: ok ? 'succeeded' : 'failed', reason: null, ok, output, truncated, durationMs };
}

function blocks(state: string): boolean {
  return state === 'timed_out' || state === 'lost';
}

function noReply(reason: CommandReason): Partial<Record<keyof CommandRow, SQL>> {
  const state: CommandState = reasonStates[reason];
  return { state: sql`${state}`, reason: sql`${reason}`, ok: sql`false`, output: sql`${reason}` };
}
