import { describeRoute } from 'hono-openapi';
import type { Commands } from '../../db/commands.ts';
import type { CommandRow } from '../../db/schema.ts';
import { isFinal, toWire } from '../../lib/command.ts';
import { serversOf } from '../../lib/config.ts';
import { ApiError } from '../../lib/errors.ts';
import { type Dependencies, factory } from '../factory.ts';
import { outcomeInDoubt } from '../outcome-in-doubt.ts';
import { errorDocs, jsonDocs } from '../response-docs.ts';
import { commandSchema } from './command-schema.ts';
import { checkServerPermitted } from './runnable-command.ts';
import { tokenParam, visibleCommand } from './visible-command.ts';

/** A command whose daemon is away goes from queued to running and back: so often it may be met in between. */
const triesAtMost = 5;

/** DELETE /commands/:token: takes a command that has not begun out of the queue. */
export function cancelCommand({
  config,
  commands,
  announcer,
  log,
}: Pick<Dependencies, 'config' | 'commands' | 'announcer' | 'log'>) {
  const names = serversOf(config).map(({ name }) => name);
  return factory.createHandlers(
    describeRoute({
      operationId: 'cancelCommand',
      tags: ['Commands'],
      summary: 'Cancel a queued command',
      responses: {
        200: jsonDocs('The command, now canceled.', commandSchema),
        ...errorDocs(
          'server_not_allowed',
          'cross_site',
          'not_found',
          'already_final',
          'already_running',
          'outcome_unknown',
        ),
      },
    }),
    tokenParam,
    async (context) => {
      const { token } = context.req.valid('param');
      const found = await visibleCommand(commands, context.get('key'), token);
      checkServerPermitted(context.get('key'), found.server, names);
      const row = await outcomeInDoubt(token, cancelQueued(commands, found));
      log.info({ request_id: context.get('requestId'), token, server: row.server }, 'command canceled');
      await announcer.announceChange(row);
      return context.json(toWire(row), 200);
    },
  );
}

async function cancelQueued(commands: Commands, found: CommandRow): Promise<CommandRow> {
  let state = found.state;
  for (let tries = 0; tries < triesAtMost && state === 'queued'; tries++) {
    const row = await commands.cancel(found.id);
    if (row !== null) return row;
    state = (await commands.findByToken(found.token))?.state ?? 'canceled';
  }
  if (isFinal(state)) throw new ApiError('already_final', 'The command has ended: there is nothing to cancel.');
  throw new ApiError(
    'already_running',
    'The command has begun, and nothing stops Dokku then. Wait for its end by ?wait=.',
  );
}
