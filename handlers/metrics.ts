import { describeRoute } from 'hono-openapi';
import { type Dependencies, factory } from './factory.ts';
import { createFleetLook } from './fleet-look.ts';
import { errorDocs, textDocs } from './response-docs.ts';

/** GET /metrics: what this web process measures of itself, and what all of them read from Postgres and Redis. */
export function readMetrics(
  deps: Pick<
    Dependencies,
    'config' | 'log' | 'now' | 'database' | 'serverStatuses' | 'redis' | 'metrics' | 'announcer' | 'waiters'
  >,
) {
  const { metrics, announcer, waiters, database } = deps;
  const look = createFleetLook(deps);

  function measureProcess(): void {
    const { totalCount, idleCount, waitingCount } = database.$client;
    metrics.poolConnections.set({ state: 'idle' }, idleCount);
    metrics.poolConnections.set({ state: 'busy' }, totalCount - idleCount);
    metrics.poolWaiting.set(waitingCount);
    metrics.commandsWaitedFor.set(waiters.size);
    metrics.announcementsFailed.reset();
    metrics.announcementsFailed.inc(announcer.failed);
  }

  return factory.createHandlers(
    describeRoute({
      operationId: 'readMetrics',
      tags: ['Operation'],
      summary: 'Read the metrics',
      responses: {
        200: textDocs('In the text format of Prometheus.', 'text/plain'),
        ...errorDocs(),
      },
    }),
    async (context) => {
      await look();
      measureProcess();
      const text = await metrics.registry.metrics();
      return context.body(text, 200, { 'Content-Type': metrics.registry.contentType });
    },
  );
}
