import { randomUUID } from 'node:crypto';
import { setAnswerHeader } from '../answer-header.ts';
import { factory } from '../factory.ts';

const usable = /^[A-Za-z0-9._-]{1,128}$/;

/** The request's own id where it is usable, else a new one. */
export function requestIdOf(header: string | undefined): string {
  return header !== undefined && usable.test(header) ? header : randomUUID();
}

/** Names the request, in its answer, in errors and in the log. */
export const requestId = factory.createMiddleware(async (context, next) => {
  const id = requestIdOf(context.req.header('x-request-id'));
  context.set('requestId', id);
  setAnswerHeader(context, 'X-Request-Id', id);
  await next();
});
