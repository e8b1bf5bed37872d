import { randomBytes } from 'node:crypto';

/** `whsec_` and 32 random bytes in base64. The specification of Standard Webhooks asks for 24 to 64. */
export function generateSigningSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`;
}
