import { describeRoute } from 'hono-openapi';
import { isFinal } from '../../lib/command.ts';
import { EventStream } from '../event-stream.ts';
import { type Dependencies, factory } from '../factory.ts';
import { notPlainRead } from '../middleware/method-not-allowed.ts';
import { headerParameter } from '../openapi/headers.ts';
import { errorDocs, eventStreamDocs } from '../response-docs.ts';
import { encodedCommand } from './encoded-command.ts';
import { tokenParam, visibleCommand } from './visible-command.ts';

/** Longer than any command lasts without a change. */
const foreverMs = 2_000_000_000;

/** GET /commands/:token/events: a command now and whenever it changes, until it is final. */
export function streamCommand(deps: Dependencies) {
  const { commands, waiters } = deps;
  return factory.createHandlers(
    describeRoute({
      operationId: 'streamCommand',
      tags: ['Commands'],
      summary: 'Follow a command',
      description:
        'An event `command` now and per change. Whoever comes back with the id of the final state has seen all: 204.',
      parameters: [headerParameter('LastEventId')],
      responses: {
        200: eventStreamDocs,
        204: { description: 'The command is final, and that was told.' },
        ...errorDocs('not_found'),
      },
    }),
    notPlainRead,
    tokenParam,
    async (context) => {
      let row = await visibleCommand(commands, context.get('key'), context.req.valid('param').token);
      // A browser would otherwise come back for the same final state for ever.
      if (isFinal(row.state) && context.req.header('last-event-id') === row.changedIn) return context.body(null, 204);
      const stream = new EventStream(context, deps);
      return stream.answer(async () => {
        stream.send({ id: row.changedIn, data: encodedCommand(row) });
        while (!isFinal(row.state) && !stream.ended.aborted) {
          const { changedIn } = row;
          row = await waiters.wait(row, 'changed', {
            timeoutMs: foreverMs,
            signals: [stream.ended],
          });
          if (row.changedIn !== changedIn) stream.send({ id: row.changedIn, data: encodedCommand(row) });
        }
      });
    },
  );
}
