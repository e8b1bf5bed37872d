import { ApiError } from '../../lib/errors.ts';
import { tokenParam, visibleCommand } from '../commands/visible-command.ts';
import { factory } from '../factory.ts';
import type { ConsoleDependencies } from './console-dependencies.ts';

/** GET /console/commands/:token/output: all that Dokku printed, as plain text; with `late=1` the late answer. */
export function rawOutput({ commands }: Pick<ConsoleDependencies, 'commands'>) {
  return factory.createHandlers(tokenParam, async (context) => {
    const row = await visibleCommand(commands, context.get('key'), context.req.valid('param').token);
    const text = context.req.query('late') === '1' ? row.lateOutput : row.output;
    if (text === null) throw new ApiError('not_found', 'There is no output yet. The page of the command says when.');
    // Whatever it holds, a browser neither runs nor interprets it.
    context.header('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'; sandbox");
    context.header('Content-Disposition', `inline; filename="command-${row.id}.txt"`);
    return context.text(text);
  });
}
