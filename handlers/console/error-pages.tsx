import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { ApiError, type ErrorCode } from '../../lib/errors.ts';
import { factory } from '../factory.ts';
import type { ConsoleDependencies } from './console-dependencies.ts';
import { ErrorPage } from './views/error-page.tsx';

const titles: Partial<Record<ErrorCode, string>> = {
  not_found: 'There is nothing here',
  method_not_allowed: 'That is not possible here',
  cross_site: 'This form is not from this session',
  rate_limited: 'Too many requests',
  database_unavailable: 'The database is out of reach',
  outcome_unknown: 'It is not known whether that was stored',
  already_running: 'The command has begun',
  already_final: 'The command has ended',
  not_final: 'The command has not ended yet',
  command_not_allowed: 'This key may not run that',
  server_not_allowed: 'This key may not use that server',
  internal_error: 'Something broke on our side',
};

/** What an error means for somebody before a page; where there is none the API's words do. */
const meanings: Partial<Record<ErrorCode, (retryAfter: string) => string>> = {
  rate_limited: (retryAfter) => `Your key has sent as many requests as it may. Try again in ${retryAfter} seconds.`,
};

/** Where the cause is on our side, who looks for it. */
const isOnOurSide = (status: number) => status >= 500;

/** Says in words of the console that there is no such page; and as the API does that a page has not the method. */
export const noPage = factory.createHandlers(async (context) => {
  try {
    return await context.notFound();
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'not_found') throw error;
    throw new ApiError('not_found', 'No page of the console has this address.', { cause: error });
  }
});

/** Shows as a page what the API answers to an error. */
export function errorPages({ wallClock }: Pick<ConsoleDependencies, 'wallClock'>) {
  return factory.createMiddleware(async (context, next) => {
    await next();
    if (context.error === undefined) return;
    const { status, headers } = context.res;
    const { code, detail } = (await context.res.json()) as { code: ErrorCode; detail: string };
    const place = headers.get('Location');
    const retryAfter = headers.get('Retry-After');
    const meaning = retryAfter === null ? undefined : meanings[code]?.(retryAfter);
    // Its other headers stay: Allow and Retry-After among them.
    context.res = await context.html(
      <ErrorPage
        title={titles[code] ?? 'That did not work'}
        detail={meaning ?? detail}
        asksDoctor={isOnOurSide(status)}
        code={code}
        requestId={context.var.requestId}
        link={place?.startsWith('/commands/') ? { path: `/console${place}`, text: 'Look at the command' } : undefined}
        now={wallClock()}
      />,
      status as ContentfulStatusCode,
    );
  });
}
