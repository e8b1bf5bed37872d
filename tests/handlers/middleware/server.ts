import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import type { Hono, MiddlewareHandler } from 'hono';
import { pino } from 'pino';
import { afterAll } from 'vitest';
import { type AppEnv, factory } from '../../../handlers/factory.ts';
import { answerErrors } from '../../../handlers/middleware/errors.ts';
import { requestId } from '../../../handlers/middleware/request-id.ts';
import type { Log } from '../../../lib/log.ts';

const stops: (() => void)[] = [];

afterAll(() => {
  for (const stop of stops) stop();
});

/** A log that can be looked at. */
export function recordLog(): { log: Log; entries: Record<string, unknown>[] } {
  const entries: Record<string, unknown>[] = [];
  return { log: pino({ level: 'debug' }, { write: (line: string) => entries.push(JSON.parse(line)) }), entries };
}

/** Serves what `routes` adds behind the middleware, on a port of its own until the end of the test file. */
export async function serveBehind(
  middleware: MiddlewareHandler<AppEnv>,
  routes: (app: Hono<AppEnv>) => unknown,
  log: Log = recordLog().log,
): Promise<string> {
  const app = factory.createApp().use(requestId, middleware);
  routes(app);
  app.onError(answerErrors({ log }));
  const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' });
  stops.push(() => server.close());
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
