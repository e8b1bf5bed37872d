/** What workers that break a promise are made of. Nothing outside of the tests of the checker uses them. */
import type { Database } from '../../db/client.ts';
import type { RunResult } from '../../db/commands.ts';
import type { DueDelivery } from '../../db/deliveries.ts';
import type { LeaseClaim } from '../../db/leases.ts';
import type { CommandRow } from '../../db/schema.ts';
import type { WorkerContext } from '../../worker/context.ts';

export type Mutation = (context: WorkerContext, database: Database) => Partial<WorkerContext>;
type Commands = WorkerContext['commands'];

/** Finishing and claiming come apart, so that a change of either is in every run. */
export function changed(context: WorkerContext, change: Partial<Commands>): Partial<WorkerContext> {
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

/** Does it at the first call that it succeeds at. */
export function once(what: () => Promise<unknown>): () => Promise<void> {
  let done = false;
  return async () => {
    if (done) return;
    await what();
    done = true;
  };
}

/** True at the first of every five calls. */
export function everyFifth(): () => boolean {
  let calls = 0;
  return () => calls++ % 5 === 0;
}

export async function reread(context: WorkerContext, row: CommandRow): Promise<CommandRow> {
  return (await context.commands.findByToken(row.token)) ?? row;
}

/** Changes how a run's end is stored, for those runs that `when` takes. */
export function finishing(
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

/** Changes what comes of a claim. */
export function claiming(
  context: WorkerContext,
  change: (held: LeaseClaim, row: CommandRow | null) => Promise<CommandRow | null>,
): Partial<WorkerContext> {
  return changed(context, { claim: async (held) => await change(held, await context.commands.claim(held)) });
}

/** Changes the callbacks that are sent. */
export function delivering(change: (due: DueDelivery) => DueDelivery): Mutation {
  return (context) => ({
    deliveries: {
      ...context.deliveries,
      takeDue: async (...taking) => (await context.deliveries.takeDue(...taking)).map(change),
    },
  });
}

export const isReply = (run: RunResult) => run.kind === 'reply';
export const isLost = (run: RunResult) => run.kind === 'no_reply' && run.reason === 'command_lost';
export const isTimedOut = (run: RunResult) => run.kind === 'no_reply' && run.reason === 'command_timed_out';
export const someReplies = () => {
  const chosen = everyFifth();
  return (run: RunResult) => isReply(run) && chosen();
};
