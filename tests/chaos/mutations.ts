/** Workers that break one promise each, for the checker to find. Nothing outside of the tests of the checker uses them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { type Database, databaseErrorCode } from '../../db/client.ts';
import type { RunResult } from '../../db/commands.ts';
import type { LeaseClaim } from '../../db/leases.ts';
import { type CommandRow, commands, deliveries, leases } from '../../db/schema.ts';
import type { WorkerContext } from '../../worker/context.ts';

type Mutation = (context: WorkerContext, database: Database) => Partial<WorkerContext>;
type Commands = WorkerContext['commands'];

/** Finishing and claiming come apart, so that a change of either is in every run. */
function changed(context: WorkerContext, change: Partial<Commands>): Partial<WorkerContext> {
  const changedCommands = { ...context.commands, ...change };
  return {
    commands: {
      ...changedCommands,
      finishAndClaim: async (id, held, run) => {
        const ended = await changedCommands.finish(id, held, run);
        return ended && { ended, next: null };
      },
    },
  };
}

/** True at the first of every five calls. */
function everyFifth(): () => boolean {
  let calls = 0;
  return () => calls++ % 5 === 0;
}

async function reread(context: WorkerContext, row: CommandRow): Promise<CommandRow> {
  return (await context.commands.findByToken(row.token)) ?? row;
}

/** Changes how a run's end is stored, for those runs that `when` takes. */
function finishing(
  when: (run: RunResult) => boolean,
  store: (
    context: WorkerContext,
    database: Database,
    id: number,
    held: LeaseClaim,
    run: RunResult,
  ) => Promise<CommandRow | null>,
): Mutation {
  return (context, database) =>
    changed(context, {
      finish: (id, held, run) =>
        when(run) ? store(context, database, id, held, run) : context.commands.finish(id, held, run),
    });
}

const isReply = (run: RunResult) => run.kind === 'reply';
const isLost = (run: RunResult) => run.kind === 'no_reply' && run.reason === 'command_lost';
const isTimedOut = (run: RunResult) => run.kind === 'no_reply' && run.reason === 'command_timed_out';
const someReplies = () => {
  const chosen = everyFifth();
  return (run: RunResult) => isReply(run) && chosen();
};

export const mutations = {
  /** A row left running by a dead worker goes back to the queue. */
  sendsRunningAgain: (context, database) =>
    changed(context, {
      clearTheWay: async (held) => {
        await database.execute(sql`update ${commands} set state = 'queued', epoch = null, started_at = null
          where server = ${held.server} and state = 'running' and epoch < ${held.epoch}`);
        return await context.commands.clearTheWay(held);
      },
    }),

  /** A command whose answer was not had is sent again. */
  putsBackAfterSend: finishing(isLost, async (context, _database, _id, held) => {
    const claimed = await context.commands.findClaimed(held);
    return claimed && (await context.commands.putBack(claimed));
  }),

  /** A command that may have run is said never to have been sent. */
  saysUnsent: finishing(isLost, (context, _database, id, held, run) =>
    context.commands.finish(id, held, { kind: 'no_reply', reason: 'daemon_unavailable', durationMs: run.durationMs }),
  ),

  /** It believes in its lease for ever, and claims whatever is queued, as soon as no other row runs. */
  claimsWithoutLease: (context, database) =>
    changed(context, {
      claim: async (held) => {
        Object.defineProperty(held, 'fresh', { value: true });
        for (let tries = 0; ; tries++) {
          try {
            return await claimBy(context, database, held, sql`order by id limit 1`);
          } catch (error) {
            if (tries === 500 || databaseErrorCode(error) !== '23505') throw error;
            await sleep(5);
          }
        }
      },
    }),

  newestFirst: (context, database) =>
    changed(context, {
      claim: async (held) => await claimBy(context, database, held, sql`order by id desc limit 1`),
    }),

  /** After a time-out the next command follows at once, whatever Dokku still does. */
  runsTwoAtOnce: finishing(isTimedOut, async (context, database, id, held, run) => {
    const row = await context.commands.finish(id, held, run);
    await database.execute(
      sql`update ${leases} set blocked_since = null, blocked_by = null where server = ${held.server}`,
    );
    return row && { ...row, state: 'failed' };
  }),

  lateAnswerBecomesResult: (context, database) =>
    changed(context, {
      recordLateResult: async (id, late) => {
        const row = await context.commands.recordLateResult(id, late);
        if (row === null) return null;
        await database.execute(sql`update ${commands} set state = ${late.ok ? 'succeeded' : 'failed'}, reason = null,
          ok = ${late.ok}, output = ${late.output} where id = ${id}`);
        return await reread(context, row);
      },
    }),

  answerIsLost: finishing(someReplies(), (context, _database, id, held, run) =>
    context.commands.finish(id, held, { kind: 'no_reply', reason: 'command_lost', durationMs: run.durationMs }),
  ),

  succeedsUnsent: (context) => {
    const chosen = everyFifth();
    return changed(context, {
      claim: async (held) => {
        const row = await context.commands.claim(held);
        if (row === null || !chosen()) return row;
        const output = row.command;
        await context.commands.finish(row.id, held, {
          kind: 'reply',
          ok: true,
          output,
          truncated: false,
          durationMs: 1,
        });
        return await context.commands.claim(held);
      },
    });
  },

  storesAnothersAnswer: (context) => {
    let before = 'nothing';
    return changed(context, {
      finish: (id, held, run) => {
        if (run.kind !== 'reply') return context.commands.finish(id, held, run);
        const output = before;
        before = run.output;
        return context.commands.finish(id, held, { ...run, output });
      },
    });
  },

  forgets: finishing(someReplies(), async (context, database, id, held, run) => {
    const row = await context.commands.finish(id, held, run);
    await database.execute(sql`delete from ${commands} where id = ${id}`);
    return row;
  }),

  neverEnds: finishing(someReplies(), async (_context, database, id) => {
    const [row] = await database
      .update(commands)
      .set({ state: 'queued', server: 'nowhere', epoch: null, startedAt: null })
      .where(sql`id = ${id}`)
      .returning();
    return row ?? null;
  }),

  skipsTheDelivery: finishing(isReply, async (context, database, id, held, run) => {
    const row = await context.commands.finish(id, held, run);
    await database.execute(sql`delete from ${deliveries} where command_id = ${id}`);
    return row;
  }),

  namesEachAttemptAnew: (context) => ({
    deliveries: {
      ...context.deliveries,
      takeDue: async (...taking) =>
        (await context.deliveries.takeDue(...taking)).map((due) => ({
          ...due,
          delivery: { ...due.delivery, webhookId: `msg_${Math.random().toString(36).slice(2)}` },
        })),
    },
  }),
} satisfies Record<string, Mutation>;

export type MutationName = keyof typeof mutations;

/** A claim that asks for no lease, of the command that `which` names. */
async function claimBy(
  context: WorkerContext,
  database: Database,
  held: LeaseClaim,
  which: ReturnType<typeof sql>,
): Promise<CommandRow | null> {
  const { rows } = await database.execute<{ token: string }>(sql`
    update ${commands} set state = 'running', epoch = ${held.epoch}, started_at = now()
    where id = (select id from ${commands} where server = ${held.server} and state = 'queued' ${which}) and state = 'queued'
    returning token`);
  const token = rows[0]?.token;
  return token === undefined ? null : await context.commands.findByToken(token);
}
