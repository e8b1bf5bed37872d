/** Mutations that break promises 2 and 4: what is said of how a command ended. */
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { commands, workers } from '../../db/schema.ts';
import {
  changed,
  claiming,
  everyFifth,
  finishing,
  isLost,
  isReply,
  type Mutation,
  reread,
  someReplies,
} from './mutation.ts';

export const endingMutations = {
  /** A command that may have run is said never to have been sent. */
  saysUnsent: finishing(isLost, (context, _database, id, held, run) =>
    context.commands.finish(id, held, { kind: 'no_reply', reason: 'daemon_unavailable', durationMs: run.durationMs }),
  ),

  answerIsLost: finishing(someReplies(), (context, _database, id, held, run) =>
    context.commands.finish(id, held, { kind: 'no_reply', reason: 'command_lost', durationMs: run.durationMs }),
  ),

  /** It takes the command after the one that was lost for lost, too. */
  losesTheNextToo: (context, database) =>
    changed(context, {
      clearTheWay: async (held) => {
        const cleared = await context.commands.clearTheWay(held);
        if (cleared.lost.length > 0) {
          await database.execute(sql`update ${commands}
            set state = 'lost', reason = 'command_lost', ok = false, output = 'command_lost', ran_at = now()
            where id = (select min(id) from ${commands} where server = ${held.server} and state = 'queued')`);
        }
        return cleared;
      },
    }),

  /** It ends what is queued though it has the server configured itself. */
  takesServersForRemoved: (context, database) => {
    const chosen = everyFifth();
    return claiming(context, async (held, row) => {
      if (!chosen()) return row;
      const everybody = await database.select({ id: workers.id }).from(workers);
      await context.commands.endRemovedServer(
        held.server,
        everybody.map(({ id }) => id),
      );
      return null;
    });
  },

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

  /** A late result is written over a while later. */
  changesLateResults: (context, database) =>
    changed(context, {
      recordLateResult: async (id, late) => {
        const row = await context.commands.recordLateResult(id, late);
        await sleep(1000);
        await database.execute(sql`update ${commands} set late_output = 'another' where id = ${id}`);
        return row;
      },
    }),

  /** In place of Postgres' time, and an hour ahead of it. */
  storesItsOwnTime: finishing(isReply, async (context, database, id, held, run) => {
    const row = await context.commands.finish(id, held, run);
    await database
      .update(commands)
      .set({ ranAt: new Date(Date.now() + 3_600_000) })
      .where(sql`id = ${id}`);
    return row && (await reread(context, row));
  }),
} satisfies Record<string, Mutation>;
