import { createHash } from 'node:crypto';
import type { IdempotentRequest } from '../../db/idempotency.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Key } from '../../lib/key.ts';

/**
 * What the request is remembered by; null where it carries no `Idempotency-Key`.
 * @param fields what was asked for, without what only bears on how the answer is given
 * @throws ApiError `invalid_parameters` where the header is not 1 to 255 visible ASCII characters
 */
export function idempotentRequest(
  request: { method: string; path: string; header: (name: string) => string | undefined },
  key: Key,
  fields: Readonly<Record<string, unknown>>,
): IdempotentRequest | null {
  const idempotencyKey = request.header('idempotency-key');
  if (idempotencyKey === undefined) return null;
  if (!/^[\x21-\x7E]{1,255}$/.test(idempotencyKey)) {
    const message = 'Idempotency-Key must be 1 to 255 visible ASCII characters';
    throw new ApiError('invalid_parameters', `${message}.`, {
      fields: [{ field: 'Idempotency-Key', code: 'malformed', message, detail: `${message}.` }],
    });
  }
  const sorted = Object.entries(fields).sort(([first], [second]) => (first < second ? -1 : 1));
  const fingerprint = createHash('sha256')
    .update(JSON.stringify([request.method, request.path, sorted]))
    .digest();
  return { keyId: key.id, idempotencyKey, fingerprint };
}
