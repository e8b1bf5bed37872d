/** The commands that wait for a server, in the way in which Postgres finds them by the index of the queue alone. */
import { and, between, type Placeholder, type SQL, sql } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';
import { commands } from './schema.ts';

/**
 * The server is given as a range, and `queueHead` orders by it first. With one value and the order of ids, a long queue
 * makes Postgres believe that one of the first commands is queued, and it walks them all. The state stands in the text,
 * since a plan that is made once for all values could not use the index either.
 */
export function isQueued(server: string | Placeholder | PgColumn | SQL): SQL | undefined {
  return and(between(commands.server, server, server), sql`${commands.state} = 'queued'`);
}

/**
 * The oldest one, in place of an order and a limit. The limit stands in the text: of one that is a parameter
 * Postgres believes that it takes a tenth of the queue, so that with some thousands queued it holds the plan that is made
 * once for all values for the dearer one, and plans anew for each command.
 */
export const queueHead = sql`${commands.server}, ${commands.id} limit 1`;
