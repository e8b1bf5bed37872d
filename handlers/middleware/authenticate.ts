/** Who asks. Every request without valid credentials fails in one way, whatever is wrong with them. */
import type { Keys } from '../../db/keys.ts';
import type { Config } from '../../lib/config.ts';
import { hashSecret, readCredentials, verifySecret } from '../../lib/credentials.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { RateLimiter } from '../../lib/rate-limiter.ts';
import { describeError } from '../error-report.ts';
import { factory } from '../factory.ts';
import { clientAddress } from './client-address.ts';
import type { FailedAuthentications } from './failed-authentications.ts';

type AuthenticateDependencies = {
  keys: Pick<Keys, 'find' | 'describe' | 'touch'>;
  config: Pick<Config, 'trustedProxies'>;
  rateLimiter: Pick<RateLimiter, 'count'>;
  /** A monotonic clock, in milliseconds. */
  now: () => number;
  log: Pick<Log, 'warn'>;
};

const touchEveryMs = 60_000;

/**
 * Puts the verified key into the context as `key`, and the hash of its secret as `secretHash`.
 * @throws ApiError `not_authenticated`, or `too_many_failed_attempts` to an address that sent many wrong credentials,
 *   which valid ones pass all the same; what the database throws, where it is away
 */
export function authenticate(
  { keys, config, rateLimiter, now, log }: AuthenticateDependencies,
  failures: FailedAuthentications,
) {
  /**
   * The keys of credentials that were valid at their last look-up: such a request is counted while it is looked up
   * whether they still are. By key and secret together, so that an unknown key and a wrong secret take the same time.
   */
  const validBefore = new Map<string, string>();
  const touchedAt = new Map<string, number>();

  /** In nobody's way: a time of last use that is not stored now is stored by a later request. */
  function touch(publicId: string): void {
    const last = touchedAt.get(publicId);
    if (last !== undefined && now() - last < touchEveryMs) return;
    touchedAt.set(publicId, now());
    keys.touch([publicId]).catch((error: unknown) => {
      log.warn(describeError(error), 'the time of last use of a key was not stored');
    });
  }

  async function countFailure(address: string): Promise<void> {
    const waitSeconds = await failures.count(address);
    if (waitSeconds === null) return;
    throw new ApiError(
      'too_many_failed_attempts',
      'Many wrong credentials came from this address. Wait as Retry-After says, then send those of a valid key.',
      { headers: { 'Retry-After': String(waitSeconds) } },
    );
  }

  return factory.createMiddleware(async (context, next) => {
    const credentials = readCredentials((name) => context.req.header(name));
    if (credentials !== null) {
      const { apiKey } = credentials;
      const secretHash = hashSecret(credentials.apiSecret);
      const pair = `${apiKey} ${secretHash.toString('base64')}`;
      const publicId = validBefore.get(pair);
      if (publicId !== undefined) context.set('usage', rateLimiter.count(publicId));
      const stored = await keys.find(apiKey);
      const verified = verifySecret(secretHash, stored);
      const key = verified && stored !== null ? await keys.describe(stored) : null;
      if (key !== null) {
        if (publicId === undefined) validBefore.set(pair, key.publicId);
        context.set('key', key);
        context.set('secretHash', secretHash);
        await next();
        // Behind the request's own queries, which would wait for a second connection in a process that has just started.
        return touch(key.publicId);
      }
      validBefore.delete(pair);
      await countFailure(clientAddress(context.req, context.env, config));
    }
    throw new ApiError(
      'not_authenticated',
      'Send the headers Api-Key and Api-Secret, with those of a key that is neither expired nor deleted.',
      { headers: { 'WWW-Authenticate': 'ApiKey' } },
    );
  });
}
