import { describeRoute } from 'hono-openapi';
import type { CommandRow } from '../db/schema.ts';
import { type ChangedRows, earlier, readChanges } from '../lib/change-feed.ts';
import { isFinal } from '../lib/command.ts';
import { ApiError } from '../lib/errors.ts';
import { encodedCommand } from './commands/encoded-command.ts';
import { isVisible, visibleOwner } from './commands/visible-command.ts';
import { EventStream } from './event-stream.ts';
import { type Dependencies, factory } from './factory.ts';
import { notPlainRead } from './middleware/method-not-allowed.ts';
import { headerParameter } from './openapi/headers.ts';
import { errorDocs, eventStreamDocs } from './response-docs.ts';

const highestTransaction = 2n ** 64n - 1n;

/** GET /events: every command that the key may see, whenever it changes; after a reconnect what changed meanwhile. */
export function streamCommands(deps: Dependencies) {
  const { feed, changes, changeReader } = deps;
  return factory.createHandlers(
    describeRoute({
      operationId: 'streamCommands',
      tags: ['Commands'],
      summary: 'Follow all commands',
      description: 'An event `command` per change, at least once. With Last-Event-ID also what changed since.',
      parameters: [headerParameter('LastEventId')],
      responses: { 200: eventStreamDocs, ...errorDocs() },
    }),
    notPlainRead,
    async (context) => {
      const key = context.get('key');
      const since = lastEventId(context.req.header('last-event-id'));
      // An id beyond the horizon is of another database, before this one was restored: nothing is known of it.
      const start = since === undefined ? undefined : earlier(since, await changes.horizon());
      const stream = new EventStream(context, deps);
      /** Of what was told between joining and having caught up, what can only be told of in older states. */
      const toldFinal = new Set<number>();
      let floor: string | undefined;

      const tell = ({ rows, resumeAt }: ChangedRows<CommandRow>) => {
        for (const row of rows) {
          if (!isVisible(key, row) || (toldFinal.has(row.id) && !isFinal(row.state))) continue;
          if (floor !== undefined && isFinal(row.state)) toldFinal.add(row.id);
          stream.send({ id: floor === undefined ? resumeAt : earlier(floor, resumeAt), data: encodedCommand(row) });
        }
      };
      /** Tells what changed from a transaction on, as fast as it is read. */
      const catchUp = async (from: string): Promise<string> => {
        const batches = readChanges(changeReader, from, visibleOwner(key));
        let next = await batches.next();
        for (; !next.done && !stream.ended.aborted; next = await batches.next()) {
          tell(next.value);
          await stream.drained();
        }
        return next.done ? next.value : from;
      };
      const join = async () => {
        const { resumeAt, leave } = await feed.join(tell);
        if (stream.ended.aborted) leave();
        stream.ended.addEventListener('abort', leave, { once: true });
        return resumeAt;
      };

      if (start === undefined) {
        // Whoever sees the answer begin misses nothing that happens from then on.
        const resumeAt = await join().catch((error: unknown) => {
          stream.end();
          throw error;
        });
        stream.mark(resumeAt);
        stream.resumeAt = () => feed.cursor;
        return stream.answer(() => stream.over());
      }
      return stream.answer(async () => {
        floor = await catchUp(start);
        await join();
        // What changed while the first part was read, and before others told of it.
        await catchUp(floor);
        floor = undefined;
        stream.resumeAt = () => feed.cursor;
        await stream.over();
      });
    },
  );
}

/** @throws ApiError `bad_query` where it is no id of this stream */
function lastEventId(header: string | undefined): string | undefined {
  if (header === undefined || header === '') return undefined;
  if (/^\d{1,20}$/.test(header) && BigInt(header) <= highestTransaction) return header;
  throw new ApiError(
    'bad_query',
    'Last-Event-ID is no id of this stream. Leave it out to begin with what happens now.',
  );
}
