/** Mutations that break promise 5: callbacks. */
import { sql } from 'drizzle-orm';
import { deliveries } from '../../db/schema.ts';
import { delivering, finishing, isReply, type Mutation } from './mutation.ts';

export const callbackMutations = {
  skipsTheDelivery: finishing(isReply, async (context, database, id, held, run) => {
    const row = await context.commands.finish(id, held, run);
    await database.execute(sql`delete from ${deliveries} where command_id = ${id}`);
    return row;
  }),

  namesEachAttemptAnew: delivering((due) => ({
    ...due,
    delivery: { ...due.delivery, webhookId: `msg_${Math.random().toString(36).slice(2)}` },
  })),

  callsBackWithLess: delivering((due) => ({ ...due, command: { ...due.command, output: 'less' } })),

  callsSomebodyElse: delivering((due) => ({ ...due, delivery: { ...due.delivery, url: `${due.delivery.url}/else` } })),
} satisfies Record<string, Mutation>;
