/** What can be done about a command. Each answers by the page of the command that it concerns. */
import type { Context } from 'hono';
import { isFinal } from '../../lib/command.ts';
import { serversOf } from '../../lib/config.ts';
import { ApiError } from '../../lib/errors.ts';
import { acceptCommand } from '../commands/accept-command.ts';
import { checkServerPermitted, createRunnableCheck } from '../commands/runnable-command.ts';
import { tokenParam, visibleCommand } from '../commands/visible-command.ts';
import { type AppEnv, factory } from '../factory.ts';
import { outcomeInDoubt } from '../outcome-in-doubt.ts';
import { showCommand } from './command.tsx';
import type { ConsoleDependencies } from './console-dependencies.ts';
import { formRequest } from './form.ts';

/** A command whose daemon is away goes from queued to running and back: so often it may be met in between. */
const triesAtMost = 5;

/** What became of an action: the page to go to. */
type Done = { token: string; done: string };

/** POST /console/commands/:token/retry */
export function retryFromConsole(deps: ConsoleDependencies) {
  const checkRunnable = createRunnableCheck(deps.config);
  return action(deps, async (context, token) => {
    const row = await visibleCommand(deps.commands, context.get('key'), token);
    if (!isFinal(row.state)) throw new ApiError('not_final', 'It can be run again once it has ended.');
    const command = checkRunnable(context.get('key'), {
      cmd: row.command,
      server: row.server,
      timeout: row.timeoutSeconds,
      ...(row.callbackUrl === null ? {} : { callback_url: row.callbackUrl }),
    });
    const request = await formRequest(context, {});
    const accepted = await acceptCommand(context, deps, command, { request, retryOf: token, legacyRetry: false });
    return { token: accepted.token, done: 'accepted' };
  });
}

/** POST /console/commands/:token/cancel */
export function cancelFromConsole(deps: ConsoleDependencies) {
  const { commands, announcer, config, log } = deps;
  const names = serversOf(config).map(({ name }) => name);
  return action(deps, async (context, token) => {
    for (let tries = 0; tries < triesAtMost; tries++) {
      const { id, state, server } = await visibleCommand(commands, context.get('key'), token);
      checkServerPermitted(context.get('key'), server, names);
      if (isFinal(state)) throw new ApiError('already_final', 'It had ended before it could be canceled.');
      const row = state === 'queued' ? await outcomeInDoubt(token, commands.cancel(id)) : null;
      if (row !== null) {
        log.info({ request_id: context.get('requestId'), token, server }, 'command canceled');
        await announcer.announceChange(row);
        return { token, done: 'canceled' };
      }
    }
    throw new ApiError('already_running', 'It had begun before it could be canceled, and nothing stops Dokku then.');
  });
}

/** POST /console/commands/:token/resend */
export function resendFromConsole(deps: ConsoleDependencies) {
  const { commands, deliveries, resendOnce, log } = deps;
  return action(deps, async (context, token) => {
    const { id, state, callbackUrl } = await visibleCommand(commands, context.get('key'), token);
    if (callbackUrl === null) throw new ApiError('not_found', 'This command has no callback.');
    if (!isFinal(state)) throw new ApiError('not_final', 'The callback is sent once the command has ended.');
    const request = await formRequest(context, {});
    const resent: Promise<unknown> = request === null ? deliveries.sendAgain(id) : resendOnce({ id, token }, request);
    await outcomeInDoubt(token, resent);
    log.info({ request_id: context.get('requestId'), token }, 'callback asked for again');
    return { token, done: 'resent' };
  });
}

/** A refusal that the command's state explains is told on its page. */
function action(deps: ConsoleDependencies, act: (context: Context<AppEnv>, token: string) => Promise<Done>) {
  return factory.createHandlers(tokenParam, async (context) => {
    const { token } = context.req.valid('param');
    try {
      const done = await act(context, token);
      return context.redirect(`/console/commands/${done.token}?done=${done.done}`, 303);
    } catch (error) {
      if (!(error instanceof ApiError) || error.code === 'not_found' || error.status >= 500) throw error;
      return await showCommand(context, deps, token, { refusal: error });
    }
  });
}
