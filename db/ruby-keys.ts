import { randomBytes } from 'node:crypto';
import { sql } from 'drizzle-orm';
import type { NodePgDatabase } from 'drizzle-orm/node-postgres';
import { hashSecret } from '../lib/credentials.ts';
import type { Seal } from '../lib/seal.ts';
import { generateSigningSecret } from '../lib/signing-secret.ts';
import { keys } from './schema.ts';

/** `unusable`: without a key or a secret, or of another form than the Ruby app gave them: no request can bear them. */
export type RubyKeysImport = { imported: number; unusable: number };

/**
 * Takes over the key pairs of the Ruby app that are not known yet, each as a key that may run every command. One that
 * was deleted or given a new secret here stays as it is.
 */
export async function importRubyKeys(
  database: NodePgDatabase,
  sealOfSigningSecrets: () => Seal,
): Promise<RubyKeysImport> {
  const { rows } = await database.execute<{ apiKey: string | null; apiSecret: string | null }>(sql`
    select ruby.api_key as "apiKey", ruby.api_secret as "apiSecret" from public.keys ruby
    where not exists (select 1 from ${keys} where ${keys.apiKey} = ruby.api_key) order by ruby.id`);
  const usable = rows.filter(
    (row): row is { apiKey: string; apiSecret: string } =>
      row.apiKey !== null && /^[0-9a-f]{32}$/.test(row.apiKey) && Boolean(row.apiSecret),
  );
  const unusable = rows.length - usable.length;
  if (usable.length === 0) return { imported: 0, unusable };
  const seal = sealOfSigningSecrets();
  let imported = 0;
  for (const { apiKey, apiSecret } of usable) {
    const publicId = `key_${randomBytes(12).toString('hex')}`;
    const { rowCount } = await database
      .insert(keys)
      .values({
        publicId,
        apiKey,
        secretHash: hashSecret(apiSecret),
        sealedSigningSecret: seal.seal(generateSigningSecret(), publicId),
        name: 'from the Ruby app',
      })
      .onConflictDoNothing();
    imported += rowCount ?? 0;
  }
  return { imported, unusable };
}
