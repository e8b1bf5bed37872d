import { ApiError } from '../../lib/errors.ts';
import { factory } from '../factory.ts';
import { parseUrlEncoded } from '../url-encoded.ts';

/**
 * Lets only queries pass that can be read in one way.
 * @throws ApiError `bad_query`
 */
export const wellFormedQuery = factory.createMiddleware(async (context, next) => {
  if (parseUrlEncoded(queryOf(context.req.url)) === null) {
    throw new ApiError('bad_query', 'Write the query as UTF-8 with percent-encoding: a lone % is written %25.');
  }
  await next();
});

/** What stands behind the question mark. */
export function queryOf(url: string): string {
  return /^[^?#]*\?([^#]*)/.exec(url)?.[1] ?? '';
}
