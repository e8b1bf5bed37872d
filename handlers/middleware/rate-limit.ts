import { ApiError } from '../../lib/errors.ts';
import { setAnswerHeader } from '../answer-header.ts';
import { type Dependencies, factory } from '../factory.ts';

export const rateWindowSeconds = 60;

/**
 * Counts the key's requests in a window, and says in each answer how it stands
 * (draft-ietf-httpapi-ratelimit-headers-10).
 * @throws ApiError `rate_limited`
 */
export function rateLimit({ rateLimiter, config }: Pick<Dependencies, 'rateLimiter' | 'config'>) {
  return factory.createMiddleware(async (context, next) => {
    const key = context.get('key');
    const limit = key.rateLimit ?? config.rateLimit;
    const { used, resetSeconds } = await (context.get('usage') ?? rateLimiter.count(key.publicId));
    setAnswerHeader(context, 'RateLimit-Policy', `"key";q=${limit};w=${rateWindowSeconds}`);
    setAnswerHeader(context, 'RateLimit', `"key";r=${Math.max(0, limit - used)};t=${resetSeconds}`);
    if (used > limit) {
      throw new ApiError(
        'rate_limited',
        `This key may send ${limit} requests a minute. Wait as Retry-After says; ?wait= and event streams save requests.`,
        { headers: { 'Retry-After': String(resetSeconds) } },
      );
    }
    await next();
  });
}
