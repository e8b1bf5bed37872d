import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { ApiError } from '../../lib/errors.ts';
import { silenceSeconds } from '../../lib/worker-silence.ts';
import { tokenParam } from '../commands/visible-command.ts';
import { type AppEnv, factory } from '../factory.ts';
import type { ConsoleDependencies } from './console-dependencies.ts';
import { sessionOf } from './signed-in.tsx';
import { CommandPage } from './views/command-page.tsx';

/** What an action did, as the address of the page says after it. */
const actionsDone: Readonly<Record<string, string>> = {
  canceled: 'It is canceled. Dokku never saw it.',
  accepted: 'Accepted. The result appears here by itself.',
  resent: 'The callback is being sent again.',
};

/** GET /console/commands/:token: a command, its output, its callback, and what can be done about it. */
export function commandPage(deps: ConsoleDependencies) {
  return factory.createHandlers(tokenParam, (context) =>
    showCommand(context, deps, context.req.valid('param').token, {
      done: actionsDone[context.req.query('done') ?? ''],
    }),
  );
}

/**
 * Answers with the page of a command.
 * @param news what an action did, or the refusal of one, whose status the answer has
 * @throws ApiError `not_found`
 */
export async function showCommand(
  context: Context<AppEnv>,
  { views, deliveries, summaries, serverStatuses, config, wallClock }: ConsoleDependencies,
  token: string,
  news: { done?: string | undefined; refusal?: ApiError } = {},
): Promise<Response> {
  const command = await views.find(token);
  if (command === null) throw new ApiError('not_found', 'No command has this token. It may have been deleted by age.');
  const [found, ahead, [status]] = await Promise.all([
    command.callbackUrl === null ? null : deliveries.find(command.id),
    command.state === 'queued' ? summaries.ahead(command) : 0,
    command.state === 'queued' ? serverStatuses.of([command.server], silenceSeconds(config)) : [],
  ]);
  return await context.html(
    <CommandPage
      session={sessionOf(context)}
      command={command}
      found={found}
      waiting={command.state === 'queued' ? { status, ahead } : null}
      done={news.done}
      problem={news.refusal?.detail}
      now={wallClock()}
    />,
    (news.refusal?.status ?? 200) as ContentfulStatusCode,
  );
}
