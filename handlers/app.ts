/** The API at one glance: what every request passes, and which path answers what. */
import type { RouterRoute } from 'hono/types';
import { onFirstUse } from '../lib/on-first-use.ts';
import { cancelCommand } from './commands/cancel.ts';
import { createCommand } from './commands/create.ts';
import { listDeliveries, sendCallbackAgain } from './commands/deliveries.ts';
import { streamCommand } from './commands/events.ts';
import { getCommand } from './commands/get.ts';
import { listCommands } from './commands/list.ts';
import { retryCommand, retryCommandByGet } from './commands/retry.ts';
import { createConsole } from './console/console.ts';
import { readDocs } from './docs.ts';
import { streamCommands } from './events.ts';
import { type Dependencies, factory } from './factory.ts';
import { readMetrics } from './metrics.ts';
import { accessLog } from './middleware/access-log.ts';
import { authenticate } from './middleware/authenticate.ts';
import { answerErrors } from './middleware/errors.ts';
import { FailedAuthentications } from './middleware/failed-authentications.ts';
import { measured } from './middleware/measured.ts';
import { notFound } from './middleware/method-not-allowed.ts';
import { notCached } from './middleware/not-cached.ts';
import { openAtMost } from './middleware/open-requests.ts';
import { wellFormedQuery } from './middleware/query.ts';
import { rateLimit } from './middleware/rate-limit.ts';
import { requestId } from './middleware/request-id.ts';
import { requires } from './middleware/requires.ts';
import { sameOrigin } from './middleware/same-origin.ts';
import { secured } from './middleware/security-headers.ts';
import { describeApi } from './openapi/document.ts';
import { readDocument } from './openapi.ts';
import { healthz, readyz } from './probes.ts';
import { listServers } from './servers.ts';

export type App = ReturnType<typeof createApp>;

/** Everything before `authenticate` is open to all; everything behind it, unknown paths too, is not. */
export function createApp(deps: Dependencies) {
  const failures = new FailedAuthentications();
  const mayWait = openAtMost(2000);
  /** Fewer than there are connections to Postgres, which a search uses for long. */
  const mayList = openAtMost(8);
  const routes = (): readonly RouterRoute[] => app.routes;
  // When all routes are there.
  const document = onFirstUse(() => describeApi(routes()));

  const app = factory
    .createApp()
    .use(requestId, secured, accessLog(deps), measured(deps))

    .get('/healthz', ...healthz)
    .get('/readyz', ...readyz(deps))
    .get('/openapi.json', ...readDocument(document))
    .get('/docs', ...readDocs(document))
    .route('/', createConsole(deps, failures))

    .use(authenticate(deps, failures), rateLimit(deps), sameOrigin(deps.config), notCached, wellFormedQuery)

    .get('/commands', requires('read'), mayList, ...listCommands(deps))
    .post('/commands', requires('run'), mayWait, ...createCommand(deps))
    .get('/commands/:token', requires('read'), mayWait, ...getCommand(deps))
    .delete('/commands/:token', requires('run'), ...cancelCommand(deps))
    .get('/commands/:token/events', requires('read'), openAtMost(500), ...streamCommand(deps))
    .post('/commands/:token/retry', requires('run'), ...retryCommand(deps))
    .get('/commands/:token/retry', requires('run'), ...retryCommandByGet(deps))
    .get('/commands/:token/deliveries', requires('read'), ...listDeliveries(deps))
    .post('/commands/:token/deliveries', requires('run'), ...sendCallbackAgain(deps))
    .get('/events', requires('read'), openAtMost(16), ...streamCommands(deps))
    .get('/servers', requires('read'), ...listServers(deps))
    .get('/metrics', requires('metrics'), ...readMetrics(deps));

  app.notFound(notFound(routes));
  app.onError(answerErrors(deps));
  return app;
}
