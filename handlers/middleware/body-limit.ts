import { bodyLimit } from 'hono/body-limit';
import { ApiError } from '../../lib/errors.ts';
import { factory } from '../factory.ts';

const maxSize = 64 * 1024;

function refuse(): never {
  throw new ApiError('body_too_large', `Send at most ${maxSize} bytes.`);
}

const smallStream = bodyLimit({ maxSize, onError: refuse });

/** Refuses a body that is longer, by its Content-Length or, where it is chunked, as soon as it has been. */
export const smallBody = factory.createMiddleware(async (context, next) => {
  const length = context.req.header('content-length');
  // Node reads no more than that. To count a stream costs as much as all else that the request passes.
  if (length === undefined) return await smallStream(context, next);
  if (Number(length) > maxSize) refuse();
  await next();
});
