import { sql } from 'drizzle-orm';
import type { Database } from './client.ts';
import { keys } from './schema.ts';

export type KeyStanding = ReturnType<typeof createKeyStanding>;

/**
 * Makes the function that tells whether what was verified before would be today: the key is neither deleted nor expired,
 * and the secret that it came with is still one of its own.
 */
export function createKeyStanding(database: Database) {
  const statement = database
    .select({ id: keys.id })
    .from(keys)
    .where(
      sql`${keys.id} = ${sql.placeholder('id')} and ${keys.deletedAt} is null
        and (${keys.expiresAt} is null or ${keys.expiresAt} > now())
        and (${keys.secretHash} = ${sql.placeholder('secretHash')} or (${keys.previousSecretExpiresAt} > now()
          and ${keys.previousSecretHash} = ${sql.placeholder('secretHash')}))`,
    )
    .prepare('key_standing');
  return async (id: number, secretHash: Buffer): Promise<boolean> =>
    (await statement.execute({ id, secretHash })).length === 1;
}
