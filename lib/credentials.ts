/** What a request says about who it comes from, and whether that is so. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

export type Credentials = { apiKey: string; apiSecret: string };

/** What is kept of a key's secrets. */
export type StoredSecrets = {
  secretHash: Buffer;
  /** The secret before the last rotation, while it still works. */
  previousSecretHash: Buffer | null;
  /** False for a key that was deleted or has expired. */
  usable: boolean;
};

/** Stands in for what is not stored; it is the hash of no secret that anybody knows. */
const noHash = randomBytes(32);

/**
 * The credentials that a request carries: `Api-Key` and `Api-Secret`, or `Authorization: Basic` where neither is there.
 * Malformed ones become a key that nothing is stored under, so that they fail as any other wrong ones do.
 * @param header reads a header by its name in lower case
 * @returns null where the request carries none
 */
export function readCredentials(header: (name: string) => string | undefined): Credentials | null {
  const apiKey = header('api-key');
  const apiSecret = header('api-secret');
  if (apiKey !== undefined || apiSecret !== undefined) return wellFormed(apiKey ?? '', apiSecret ?? '');
  // Looking for blanks at the end as well would take quadratic time. HTTP has cut them.
  const basic = /^basic +([A-Za-z0-9+/_=-]*)$/i.exec(header('authorization') ?? '')?.[1];
  if (basic === undefined) return null;
  const text = Buffer.from(basic, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon === -1 ? wellFormed('', '') : wellFormed(text.slice(0, colon), text.slice(colon + 1));
}

/** Postgres takes no text with U+0000, which Basic can bring. */
function wellFormed(apiKey: string, apiSecret: string): Credentials {
  return { apiKey: /^[0-9a-f]{32}$/.test(apiKey) ? apiKey : '', apiSecret };
}

/** SHA-256. The secrets are 128 random bits, so that a slow hash would add nothing. */
export function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret, 'utf8').digest();
}

/**
 * Compares twice, whatever is stored: the time taken does not tell an unknown key from a wrong secret.
 * @param hash the secret's, by `hashSecret`
 */
export function verifySecret(hash: Buffer, stored: StoredSecrets | null): boolean {
  const isCurrent = timingSafeEqual(hash, stored?.secretHash ?? noHash);
  const isPrevious = timingSafeEqual(hash, stored?.previousSecretHash ?? noHash);
  return (isCurrent || isPrevious) && stored !== null && stored.usable;
}
