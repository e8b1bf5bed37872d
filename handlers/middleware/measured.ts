import { routePath } from 'hono/route';
import { type Dependencies, factory } from '../factory.ts';

/** Counts each request, and how long it took until its answer had ended or its connection was gone. */
export function measured({ metrics, now }: Pick<Dependencies, 'metrics' | 'now'>) {
  return factory.createMiddleware(async (context, next) => {
    const startedAt = now();
    const { outgoing } = context.env;
    outgoing.once('close', () => {
      const labels = { method: context.req.method, route: routePath(context, -1), status: outgoing.statusCode };
      metrics.requests.observe(labels, (now() - startedAt) / 1000);
    });
    await next();
  });
}
