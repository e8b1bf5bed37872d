import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

/** What sealed texts are for: each purpose has keys of its own, so that none can be passed off as another. */
type SealPurpose = 'signing-secret' | 'console-session';

export interface Seal {
  /** Seals with the first secret key. `associatedData` (the id of the row, say) must be the same at opening. */
  seal(text: string, associatedData?: string): string;
  /** Opens with whichever secret key sealed it. Throws where that one is not configured, or anything was changed. */
  open(sealed: string, associatedData?: string): string;
  /** False where it was not sealed with the first secret key: seal it again before the old one is taken away. */
  isCurrent(sealed: string): boolean;
}

interface DerivedKey {
  readonly id: string;
  readonly key: Buffer;
}

const VERSION = 'v1';
const MINIMUM_SECRET_CHARACTERS = 32;
/** NIST SP 800-38D, 8.3: random nonces of 96 bits serve for 2^32 texts under one key. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Encrypts small texts at rest: AES-256-GCM under a key derived with HKDF-SHA256 from `SECRET_KEY` and the purpose.
 * A sealed text is `v1.<id of the key>.<base64url of nonce, ciphertext and tag>`; the id is derived one-way.
 * `secretKeys` is `SECRET_KEY` split at its commas: the first one seals, all of them open. Throws where one is short.
 */
export function createSeal(secretKeys: readonly [string, ...string[]], purpose: SealPurpose): Seal {
  const [current, ...former] = secretKeys;
  const sealingKey = deriveKey(current, purpose);
  const keys = [sealingKey, ...former.map((secretKey) => deriveKey(secretKey, purpose))];

  return {
    seal(text, associatedData = '') {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', sealingKey.key, nonce, { authTagLength: TAG_BYTES });
      cipher.setAAD(boundData(sealingKey.id, associatedData));
      const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
      return `${VERSION}.${sealingKey.id}.${sealed.toString('base64url')}`;
    },

    open(sealed, associatedData = '') {
      const { keyId, bytes } = parseSealed(sealed);
      const key = keys.find(({ id }) => id === keyId)?.key;
      if (key === undefined) {
        throw new Error(
          'This was sealed with a SECRET_KEY that is not configured: add the old one as SECRET_KEY=new,old',
        );
      }
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(boundData(keyId, associatedData));
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      const text = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES));
      try {
        return Buffer.concat([text, decipher.final()]).toString('utf8');
      } catch (error) {
        throw new Error(
          'This sealed text was changed, or belongs to another record: restore it from a backup, or make a new secret',
          { cause: error },
        );
      }
    },

    isCurrent(sealed) {
      return sealed.startsWith(`${VERSION}.${sealingKey.id}.`);
    },
  };
}

function deriveKey(secretKey: string, purpose: SealPurpose): DerivedKey {
  if (secretKey.length < MINIMUM_SECRET_CHARACTERS) {
    throw new Error(`Each SECRET_KEY must have at least ${MINIMUM_SECRET_CHARACTERS} characters`);
  }
  const derive = (use: string, bytes: number) =>
    Buffer.from(hkdfSync('sha256', secretKey, '', `dokku-api ${VERSION} ${purpose} ${use}`, bytes));
  return { id: derive('key id', 6).toString('hex'), key: derive('key', 32) };
}

/** Binds the head to the text: neither the version nor the key's id can be exchanged unnoticed. */
function boundData(keyId: string, associatedData: string): Buffer {
  return Buffer.from(`${VERSION}.${keyId}.${associatedData}`, 'utf8');
}

function parseSealed(sealed: string): { keyId: string; bytes: Buffer } {
  const [version, keyId, encoded, ...rest] = sealed.split('.');
  if (version !== VERSION || keyId === undefined || encoded === undefined || rest.length > 0) {
    throw new Error(`This is not a sealed text of the form ${VERSION}.<key id>.<base64url>`);
  }
  const bytes = Buffer.from(encoded, 'base64url');
  if (bytes.length < NONCE_BYTES + TAG_BYTES) throw new Error('This sealed text was cut short');
  return { keyId, bytes };
}
