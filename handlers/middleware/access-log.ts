import { routePath } from 'hono/route';
import { type Dependencies, factory } from '../factory.ts';

/**
 * One line per request, when its answer has ended or its connection is gone. Neither the query nor the body is in it,
 * and of the path only its pattern.
 */
export function accessLog({ log, now }: Pick<Dependencies, 'log' | 'now'>) {
  return factory.createMiddleware(async (context, next) => {
    const startedAt = now();
    const { outgoing } = context.env;
    outgoing.once('close', () => {
      log.info(
        {
          method: context.req.method,
          route: routePath(context, -1),
          status: outgoing.statusCode,
          duration_ms: Math.round(now() - startedAt),
          request_id: context.get('requestId'),
          key: context.get('key')?.publicId,
          ...(outgoing.writableFinished ? {} : { aborted: true }),
        },
        'request',
      );
    });
    await next();
  });
}
