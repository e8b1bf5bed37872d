import { factory } from '../factory.ts';

/** Nothing but our own files, no script or style inside of a page, and no page of ours inside of another. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** What a page needs beyond what every answer may. */
export const pagePolicy = factory.createMiddleware(async (context, next) => {
  context.header('Content-Security-Policy', contentSecurityPolicy);
  // With no referrer at all a browser names no origin with a form, which is then taken for one of another site.
  context.header('Referrer-Policy', 'same-origin');
  context.header('X-Robots-Tag', 'noindex');
  await next();
});
