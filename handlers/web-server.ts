import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { getRequestListener, RequestError } from '@hono/node-server';
import { ApiError } from '../lib/errors.ts';
import type { App } from './app.ts';
import { errorBody } from './error-body.ts';
import { describeError } from './error-report.ts';
import type { Dependencies } from './factory.ts';
import { requestIdOf } from './middleware/request-id.ts';
import { securityHeaders } from './middleware/security-headers.ts';

/** A client that reads nothing, or sends nothing, for so long is given up. Every answer that lasts says something sooner. */
const silenceMs = 120_000;
/** For answers under way when the process is to stop; then their connections are cut. */
const drainMs = 20_000;

/** Serves the application on a port until `stopping`; then finishes what is under way and resolves `closed`. */
export async function startWebServer(
  app: Pick<App, 'fetch'>,
  deps: Dependencies,
): Promise<{ port: number; closed: Promise<void> }> {
  const listener = getRequestListener(app.fetch, { errorHandler: answerUnreadable(deps) });
  const server = createServer(
    { headersTimeout: 10_000, requestTimeout: 15_000, connectionsCheckingInterval: 2000 },
    (incoming, outgoing) => {
      if (deps.stopping.aborted) outgoing.shouldKeepAlive = false;
      void listener(incoming, outgoing);
    },
  );
  server.timeout = silenceMs;
  server.listen(deps.config.port, deps.config.host);
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, closed: drain(server, deps) };
}

async function drain(server: Server, { stopping, log }: Dependencies): Promise<void> {
  if (!stopping.aborted) await once(stopping, 'abort');
  const ended = once(server, 'close');
  server.close();
  const cut = setTimeout(() => {
    log.warn('answers were still under way and are cut short');
    server.closeAllConnections();
  }, drainMs);
  const over = ended.then(() => true);
  // A connection that was busy when the server closed becomes idle only later.
  do server.closeIdleConnections();
  while (!(await Promise.race([over, sleep(50, false)])));
  clearTimeout(cut);
}

/** For requests that are refused before they reach the application, as by a malformed Host header. */
function answerUnreadable({ log }: Dependencies) {
  return (error: unknown): Response => {
    const requestId = requestIdOf(undefined);
    const isTheirs = error instanceof RequestError;
    log[isTheirs ? 'info' : 'error']({ request_id: requestId, ...describeError(error) }, 'a request could not be read');
    const refusal = isTheirs
      ? new ApiError('bad_query', 'The request line or the Host header cannot be read.')
      : new ApiError('internal_error', 'This is a defect of ours. Report it with the request_id.');
    const { type, body } = errorBody(refusal, requestId, undefined);
    return new Response(body, {
      status: refusal.status,
      headers: { ...securityHeaders, 'Content-Type': type, 'X-Request-Id': requestId },
    });
  };
}
