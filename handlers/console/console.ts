/** The operators' page at one glance: what is open, what needs a session, and which path shows what. */
import type { Hono } from 'hono';
import { type AppEnv, type Dependencies, factory } from '../factory.ts';
import { smallBody } from '../middleware/body-limit.ts';
import type { FailedAuthentications } from '../middleware/failed-authentications.ts';
import { notPlainRead } from '../middleware/method-not-allowed.ts';
import { notCached } from '../middleware/not-cached.ts';
import { openAtMost } from '../middleware/open-requests.ts';
import { wellFormedQuery } from '../middleware/query.ts';
import { rateLimit } from '../middleware/rate-limit.ts';
import { sameOrigin } from '../middleware/same-origin.ts';
import { cancelFromConsole, resendFromConsole, retryFromConsole } from './actions.ts';
import { getAsset } from './assets.ts';
import { commandPage } from './command.tsx';
import { streamCommandChanges } from './command-events.ts';
import { consoleDependencies } from './console-dependencies.ts';
import { errorPages, noPage } from './error-pages.tsx';
import { ownForms } from './form.ts';
import { keysPage } from './keys.tsx';
import { listPage } from './list.tsx';
import { streamRows } from './list-events.tsx';
import { rawOutput } from './output.ts';
import { pagePolicy } from './page-policy.ts';
import { runFromConsole, runPage } from './run.tsx';
import { serversPage } from './servers.tsx';
import { signIn, signInPage, signOut } from './sign-in.tsx';
import { signedIn } from './signed-in.tsx';

/**
 * Everything below /console, to be mounted ahead of the API's authentication.
 * @param failures shared with that authentication
 * @param wallClock milliseconds since 1970
 */
export function createConsole(
  deps: Dependencies,
  failures: FailedAuthentications,
  wallClock: () => number = Date.now,
): Hono<AppEnv> {
  const all = consoleDependencies(deps, failures, wallClock);
  /** A page that is looked at has one, and a key may be shared. */
  const mayFollow = openAtMost(64);
  return factory
    .createApp()
    .basePath('/console')
    .use(pagePolicy, errorPages(all))
    .get('/static/:version/:file', ...getAsset)

    .use(notCached, sameOrigin(deps.config))
    .get('/sign-in', ...signInPage(all))
    .post('/sign-in', ...signIn(all))

    .use(signedIn(all), rateLimit(deps), wellFormedQuery, smallBody, ownForms)
    .get('/', ...listPage(all))
    .get('/events', notPlainRead, mayFollow, ...streamRows(all))
    .get('/run', ...runPage(all))
    .get('/commands/:token', ...commandPage(all))
    .get('/commands/:token/events', notPlainRead, mayFollow, ...streamCommandChanges(all))
    .get('/commands/:token/output', openAtMost(8), ...rawOutput(all))
    .get('/servers', ...serversPage(all))
    .get('/keys', ...keysPage(all))

    .post('/commands', ...runFromConsole(all))
    .post('/commands/:token/retry', ...retryFromConsole(all))
    .post('/commands/:token/cancel', ...cancelFromConsole(all))
    .post('/commands/:token/resend', ...resendFromConsole(all))
    .post('/sign-out', ...signOut)

    .all('*', ...noPage);
}
