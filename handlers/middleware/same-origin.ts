/** Keeps other sites from using what a browser holds: cached Basic credentials and the console's session. */
import type { Config } from '../../lib/config.ts';
import { ApiError } from '../../lib/errors.ts';
import { factory } from '../factory.ts';
import { forwardedEntry } from './client-address.ts';

const harmlessMethods = new Set(['GET', 'HEAD', 'OPTIONS']);
/** The one GET that changes something, for the clients of the original. */
const legacyRetry = /^\/commands\/[^/]+\/retry$/;

/**
 * Refuses a request that changes something unless `Sec-Fetch-Site` is absent, `none` or `same-origin` and `Origin` is
 * absent or our own. Behind trusted proxies our own origin is the one that they say.
 * @throws ApiError `cross_site`
 */
export function sameOrigin({ trustedProxies }: Pick<Config, 'trustedProxies'>) {
  return factory.createMiddleware(async (context, next) => {
    const { req: request } = context;
    const header = (name: string) => request.header(name);
    if (!harmlessMethods.has(request.method) || legacyRetry.test(request.path)) {
      const site = header('sec-fetch-site');
      const origin = header('origin');
      const scheme = forwardedEntry(header('x-forwarded-proto'), trustedProxies) ?? 'http';
      const host = forwardedEntry(header('x-forwarded-host'), trustedProxies) ?? header('host') ?? '';
      if (
        (site !== undefined && site !== 'none' && site !== 'same-origin') ||
        (origin !== undefined && !isSameOrigin(origin, `${scheme}://${host}`))
      ) {
        throw new ApiError(
          'cross_site',
          'A page of another site asked a browser for this. Send it from a program, or from a page of this API itself.',
        );
      }
    }
    await next();
  });
}

/** Compares scheme, host and port; default ports and capitals do not matter. `null`, which stands for many, never is. */
function isSameOrigin(origin: string, own: string): boolean {
  return URL.canParse(origin) && URL.canParse(own) && new URL(origin).origin === new URL(own).origin;
}
