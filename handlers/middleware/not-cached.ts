import { setAnswerHeader } from '../answer-header.ts';
import { factory } from '../factory.ts';

/** What a key may see is nobody else's to keep, and a command changes while it is looked at. */
export const notCached = factory.createMiddleware(async (context, next) => {
  setAnswerHeader(context, 'Cache-Control', 'no-store');
  await next();
});
