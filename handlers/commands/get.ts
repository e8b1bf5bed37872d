import { describeRoute, validator } from 'hono-openapi';
import * as v from 'valibot';
import { toWire } from '../../lib/command.ts';
import { ApiError } from '../../lib/errors.ts';
import { type Dependencies, factory } from '../factory.ts';
import { OpenRequests } from '../middleware/open-requests.ts';
import { prefersText } from '../preferred-type.ts';
import { asValues } from '../request-docs.ts';
import { errorDocs, jsonDocs, textDocs } from '../response-docs.ts';
import { commandSchema } from './command-schema.ts';
import { tokenParam, visibleCommand } from './visible-command.ts';

const waitRange = 'wait must be a whole number of seconds from 0 to 50';

const waitQuery = validator(
  'query',
  v.object({
    wait: v.optional(
      v.pipe(
        v.string(waitRange),
        v.regex(/^\d{1,2}$/, waitRange),
        v.transform(Number),
        v.number(),
        v.integer(),
        v.minValue(0),
        v.maxValue(50, waitRange),
        v.description('Seconds that the answer may be held for the command to become final.'),
      ),
    ),
  }),
  ({ success }) => {
    if (!success) throw new ApiError('bad_query', `${waitRange}.`);
  },
  asValues,
);

/** In characters. So much of an answer is held in memory until the client has read it. */
const largeOutput = 1024 * 1024;

/** GET /commands/:token: one command, or its output alone. */
export function getCommand({ commands, waiters, stopping }: Pick<Dependencies, 'commands' | 'waiters' | 'stopping'>) {
  const large = new OpenRequests(8);
  return factory.createHandlers(
    describeRoute({
      operationId: 'getCommand',
      tags: ['Commands'],
      summary: 'Read a command',
      description: 'Where Accept prefers text/plain to JSON the output alone is sent, and 202 while there is none.',
      responses: {
        200: {
          description: 'The command.',
          content: {
            ...jsonDocs('The command.', commandSchema).content,
            ...textDocs('The output.', 'text/plain').content,
          },
        },
        202: textDocs('There is no output yet.', 'text/plain'),
        ...errorDocs('not_found'),
      },
    }),
    tokenParam,
    waitQuery,
    async (context) => {
      const { token } = context.req.valid('param');
      const { wait = 0 } = context.req.valid('query');
      const found = await visibleCommand(commands, context.get('key'), token);
      // Only who waits has a signal made that tells when the client leaves.
      const limits = () => ({ timeoutMs: wait * 1000, signals: [stopping, context.req.raw.signal] });
      const row = wait === 0 ? found : await waiters.wait(found, 'final', limits());
      if ((row.output?.length ?? 0) > largeOutput) large.count(context);
      context.header('Vary', 'Accept');
      if (prefersText(context.req.header('accept')))
        return context.text(row.output ?? '', row.output === null ? 202 : 200);
      return context.json(toWire(row), 200);
    },
  );
}
