import { sql } from 'drizzle-orm';
import type { Database } from './client.ts';
import { keys } from './schema.ts';

export type KeyStanding = ReturnType<typeof createKeyStanding>;

/** Makes the function that tells whether a key that was verified before is still neither deleted nor expired. */
export function createKeyStanding(database: Database) {
  const statement = database
    .select({ id: keys.id })
    .from(keys)
    .where(
      sql`${keys.id} = ${sql.placeholder('id')} and ${keys.deletedAt} is null
        and (${keys.expiresAt} is null or ${keys.expiresAt} > now())`,
    )
    .prepare('key_standing');
  return async (id: number): Promise<boolean> => (await statement.execute({ id })).length === 1;
}
