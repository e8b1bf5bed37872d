import type { Database } from '../../../db/client.ts';
import { unopenedSecrets } from '../../../db/sealed-secrets.ts';
import { createSeal } from '../../../lib/seal.ts';
import { type Finding, failed, ok } from './finding.ts';
import type { Remedies } from './remedies.ts';

const check = 'signing secrets';
const namedAtMost = 3;

/** Whether the callbacks of every key can be signed. */
export async function checkSigningSecrets(
  database: Database,
  secretKeys: readonly [string, ...string[]],
  remedies: Remedies,
): Promise<Finding> {
  const unopened = await unopenedSecrets(database, createSeal(secretKeys, 'signing-secret'));
  if (unopened.length === 0) return ok(check, 'can be opened with this SECRET_KEY');
  const named = unopened.slice(0, namedAtMost).join(', ');
  const more = unopened.length > namedAtMost ? ` and ${unopened.length - namedAtMost} more` : '';
  const says = `those of ${named}${more} were sealed with another SECRET_KEY: their callbacks are not sent`;
  return failed(check, says, remedies.set('SECRET_KEY', 'THE_PRESENT_ONE,THE_ONE_BEFORE'));
}
