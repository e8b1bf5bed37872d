/** The operators' page at one glance: what is open, what needs a session, and which path shows what. */
import type { Hono } from 'hono';
import { type AppEnv, type Dependencies, factory } from '../factory.ts';
import { lazyHandlers } from '../lazy-handlers.ts';
import type { FailedAuthentications } from '../middleware/failed-authentications.ts';
import { notPlainRead } from '../middleware/method-not-allowed.ts';
import { notCached } from '../middleware/not-cached.ts';
import { openAtMost } from '../middleware/open-requests.ts';
import { wellFormedQuery } from '../middleware/query.ts';
import { rateLimit } from '../middleware/rate-limit.ts';
import { sameOrigin } from '../middleware/same-origin.ts';
import { pagePolicy } from './page-policy.ts';

/**
 * Everything below /console, to be mounted ahead of the API's authentication. The pages are loaded with the first
 * request for one of them.
 * @param failures shared with that authentication
 * @param wallClock milliseconds since 1970
 */
export function createConsole(
  deps: Dependencies,
  failures: FailedAuthentications,
  wallClock: () => number = Date.now,
): Hono<AppEnv> {
  const pages = lazyHandlers(async () => (await import('./pages.ts')).createPages(deps, failures, wallClock));
  /** A page that is looked at has one, and a key may be shared. */
  const mayFollow = openAtMost(64);
  return factory
    .createApp()
    .basePath('/console')
    .use(pagePolicy, pages('errorPages'))
    .get('/static/:version/:file', pages('asset'))

    .use(notCached, sameOrigin(deps.config))
    .get('/sign-in', pages('signInPage'))
    .post('/sign-in', pages('signIn'))

    .use(pages('signedIn'), rateLimit(deps), wellFormedQuery, pages('ownForms'))
    .get('/', pages('list'))
    .get('/events', notPlainRead, mayFollow, pages('rowEvents'))
    .get('/run', pages('run'))
    .get('/commands/:token', pages('command'))
    .get('/commands/:token/events', notPlainRead, mayFollow, pages('commandEvents'))
    .get('/commands/:token/output', openAtMost(8), pages('output'))
    .get('/servers', pages('servers'))
    .get('/keys', pages('keys'))

    .post('/commands', pages('accept'))
    .post('/commands/:token/retry', pages('retry'))
    .post('/commands/:token/cancel', pages('cancel'))
    .post('/commands/:token/resend', pages('resend'))
    .post('/sign-out', pages('signOut'))

    .all('*', pages('noPage'));
}
