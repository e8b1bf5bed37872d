/** Signing secrets that cannot be read with the secret keys at hand. */
import { asc, sql } from 'drizzle-orm';
import type { Seal } from '../lib/seal.ts';
import type { Database } from './client.ts';
import { deliveries, keys } from './schema.ts';

/** The public ids of the keys whose callbacks cannot be signed: those in use, and deleted ones with callbacks on their way. */
export async function unopenedSecrets(database: Database, seal: Pick<Seal, 'open'>): Promise<string[]> {
  const rows = await database
    .select({ publicId: keys.publicId, sealed: keys.sealedSigningSecret })
    .from(keys)
    .where(sql`${keys.deletedAt} is null or ${keys.id} in
      (select ${deliveries.keyId} from ${deliveries} where ${deliveries.state} = 'pending')`)
    .orderBy(asc(keys.id));
  return rows.filter(({ publicId, sealed }) => !isOpened(seal, sealed, publicId)).map(({ publicId }) => publicId);
}

function isOpened(seal: Pick<Seal, 'open'>, sealed: string, publicId: string): boolean {
  try {
    seal.open(sealed, publicId);
    return true;
  } catch {
    // Whatever is wrong with it, it signs nothing.
    return false;
  }
}
