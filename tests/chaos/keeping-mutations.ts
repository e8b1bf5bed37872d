/** Mutations that break promise 1: commands that are not kept, or not as they were asked for. */
import { sql } from 'drizzle-orm';
import { commands, idempotencyKeys, keys } from '../../db/schema.ts';
import { changed, claiming, everyFifth, finishing, type Mutation, someReplies } from './mutation.ts';

export const keepingMutations = {
  forgets: finishing(someReplies(), async (context, database, id, held, run) => {
    const row = await context.commands.finish(id, held, run);
    await database.execute(sql`delete from ${commands} where id = ${id}`);
    return row;
  }),

  /** Some go to a server that nobody has, and nobody ends what was accepted for it. */
  neverEnds: (context, database) => {
    const chosen = someReplies();
    return changed(context, {
      endRemovedServer: async () => [],
      finish: async (id, held, run) => {
        if (!chosen(run)) return await context.commands.finish(id, held, run);
        const [row] = await database
          .update(commands)
          .set({ state: 'queued', server: 'nowhere', epoch: null, startedAt: null })
          .where(sql`id = ${id}`)
          .returning();
        return row ?? null;
      },
    });
  },

  forgetsIdempotencyKeys: (context, database) =>
    claiming(context, async (_held, row) => {
      await database.delete(idempotencyKeys);
      return row;
    }),

  /** Keys may run nothing any more, after its tenth command. */
  takesRightsAway: (context, database) => {
    let claimed = 0;
    return claiming(context, async (_held, row) => {
      if (row !== null) claimed += 1;
      if (claimed === 10) await database.update(keys).set({ rules: ['nothing:*'] });
      return row;
    });
  },

  runsCanceled: (context, database) =>
    changed(context, {
      claim: async (held) => {
        await database.execute(sql`update ${commands}
          set state = 'queued', reason = null, ok = null, output = null, ran_at = null
          where server = ${held.server} and state = 'canceled'`);
        return await context.commands.claim(held);
      },
    }),

  /** An error that nobody expects ends the process. */
  fails: (context) => {
    const chosen = everyFifth();
    return claiming(context, async (_held, row) => {
      if (row !== null && chosen()) throw new Error('a mutation fails');
      return row;
    });
  },
} satisfies Record<string, Mutation>;
