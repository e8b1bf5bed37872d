import { toSummary } from '../../db/command-summaries.ts';
import type { CommandRow as StoredRow } from '../../db/schema.ts';
import { EventStream } from '../event-stream.ts';
import { factory } from '../factory.ts';
import type { ConsoleDependencies } from './console-dependencies.ts';
import { type ListFilter, passesFilter, readListFilter } from './list-filter.ts';
import { sessionCookie } from './signed-in.tsx';
import { CommandRow } from './views/command-row.tsx';

/** What an event tells a list: the command's row as it is now, and whether the filter would find it. */
type RowEvent = { id: number; passes: boolean; html: string };

/** GET /console/events: the rows of commands whenever they change, for as long as the session stands. */
export function streamRows(deps: ConsoleDependencies) {
  const { feed, sessions, wallClock } = deps;
  return factory.createHandlers(async (context) => {
    const filter = readListFilter(context.req.query());
    const cookie = sessionCookie(context);
    const stream = new EventStream(context, {
      ...deps,
      keyStanding: async () => (await sessions.find(cookie)) !== null,
    });
    const { resumeAt, leave } = await feed
      .join(({ rows, resumeAt: id }) => {
        for (const row of rows) stream.send({ id, data: rowEvent(row, filter, wallClock()) });
      })
      .catch((error: unknown) => {
        stream.end();
        throw error;
      });
    if (stream.ended.aborted) leave();
    stream.ended.addEventListener('abort', leave, { once: true });
    // The browser reads the list anew whenever a stream begins, so that it needs to resume nothing.
    stream.mark(resumeAt);
    return stream.answer(() => stream.over());
  });
}

function rowEvent(row: StoredRow, filter: ListFilter, now: number): RowEvent {
  const html = String(<CommandRow command={toSummary(row)} now={now} />);
  return { id: row.id, passes: passesFilter(filter, row), html };
}
