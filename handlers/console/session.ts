/**
 * The console's session: what signing in proved, sealed into a cookie. Nothing of it is stored, and the key behind it
 * is looked at again each time, so that deleting the key, or giving it a new secret, ends the session.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import * as v from 'valibot';
import type { Keys } from '../../db/keys.ts';
import { type Credentials, hashSecret, verifySecret } from '../../lib/credentials.ts';
import { type Key, may } from '../../lib/key.ts';
import type { Seal } from '../../lib/seal.ts';

export const sessionSeconds = 12 * 60 * 60;

export type Session = {
  key: Key;
  /** What every form of the session carries: a page of another site cannot know it. */
  formToken: string;
};

const sealedSchema = v.object({
  apiKey: v.string(),
  /** Of the secret that was given: the session does not outlast its rotation. */
  secretHash: v.string(),
  /** Milliseconds since 1970. */
  expiresAt: v.number(),
});

export type SignIn =
  | { outcome: 'signed in'; key: Key; cookie: string }
  /** The credentials are good, and the key's role is not enough. */
  | { outcome: 'not admin'; key: Key }
  | { outcome: 'refused' };

export type Sessions = ReturnType<typeof createSessions>;

/**
 * @param options.seal of the purpose `console-session`
 * @param options.wallClock milliseconds since 1970: a session is good in every web process, and over restarts
 */
export function createSessions(options: {
  keys: Pick<Keys, 'find' | 'describe'>;
  seal: Pick<Seal, 'seal' | 'open'>;
  wallClock: () => number;
}) {
  const { keys, seal, wallClock } = options;

  function open(cookie: string): v.InferOutput<typeof sealedSchema> | null {
    let text: string;
    try {
      text = seal.open(cookie);
    } catch {
      // Made up, cut short, or sealed with a SECRET_KEY that is gone: no session.
      return null;
    }
    const { success, output } = v.safeParse(sealedSchema, JSON.parse(text));
    return success && output.expiresAt > wallClock() ? output : null;
  }

  return {
    async signIn({ apiKey, apiSecret }: Credentials): Promise<SignIn> {
      const stored = await keys.find(apiKey);
      const secretHash = hashSecret(apiSecret);
      const verified = verifySecret(secretHash, stored);
      const key = verified && stored !== null ? await keys.describe(stored) : null;
      if (key === null) return { outcome: 'refused' };
      if (!may(key.role, 'admin')) return { outcome: 'not admin', key };
      const sealed: v.InferOutput<typeof sealedSchema> = {
        apiKey,
        secretHash: secretHash.toString('base64'),
        expiresAt: wallClock() + sessionSeconds * 1000,
      };
      return { outcome: 'signed in', key, cookie: seal.seal(JSON.stringify(sealed)) };
    },

    /** The session of a cookie, where it still stands; null for anything else. */
    async find(cookie: string): Promise<Session | null> {
      const sealed = open(cookie);
      if (sealed === null) return null;
      const stored = await keys.find(sealed.apiKey);
      if (stored === null || !stored.usable) return null;
      const secretHash = Buffer.from(sealed.secretHash, 'base64');
      const isKept = [stored.secretHash, stored.previousSecretHash].some(
        (hash) => hash !== null && timingSafeEqual(hash, secretHash),
      );
      const key = isKept ? await keys.describe(stored) : null;
      return key !== null && may(key.role, 'admin') ? { key, formToken: formTokenOf(cookie) } : null;
    },
  };
}

/** Bound to the session, and unknown to whoever does not have the cookie. */
export function formTokenOf(cookie: string): string {
  return createHash('sha256').update(`dokku-api form ${cookie}`, 'utf8').digest('base64url');
}
