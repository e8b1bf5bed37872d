import { describeRoute } from 'hono-openapi';
import * as v from 'valibot';
import { version } from '../lib/package.ts';
import { type Dependencies, factory } from './factory.ts';
import { createReadiness, readinessSchema } from './readiness.ts';
import { jsonDocs } from './response-docs.ts';

const healthSchema = v.object({ status: v.literal('ok'), version: v.string() });

/** GET /healthz: whether the process serves. It looks at nothing else. */
export const healthz = factory.createHandlers(
  describeRoute({
    operationId: 'readHealth',
    tags: ['Operation'],
    summary: 'Whether this process serves',
    security: [],
    responses: { 200: jsonDocs('It does.', healthSchema) },
  }),
  (context) => context.json({ status: 'ok' as const, version }, 200),
);

/** GET /readyz: whether commands are accepted, and how all that they need fares. */
export function readyz(
  deps: Pick<Dependencies, 'config' | 'log' | 'now' | 'database' | 'serverStatuses' | 'redis' | 'stopping'>,
) {
  const readiness = createReadiness(deps);
  return factory.createHandlers(
    describeRoute({
      operationId: 'readReadiness',
      tags: ['Operation'],
      summary: 'Whether commands are accepted',
      description: 'What is `degraded` makes commands run later, or not yet; they are accepted all the same.',
      security: [],
      responses: {
        200: jsonDocs('They are.', readinessSchema, 'Cache-Control'),
        503: jsonDocs(
          'They are not: Postgres is away, or its migrations are pending.',
          readinessSchema,
          'Cache-Control',
        ),
      },
    }),
    async (context) => {
      const found = await readiness();
      context.header('Cache-Control', 'no-store');
      return context.json(found, found.status === 'unavailable' ? 503 : 200);
    },
  );
}
