/** The look-up behind every request: one query serves all requests that wait for it, and none is remembered. */
import { eq, sql } from 'drizzle-orm';
import { inBatches } from '../lib/batches.ts';
import type { StoredSecrets } from '../lib/credentials.ts';
import type { Key } from '../lib/key.ts';
import type { Database } from './client.ts';
import { keys } from './schema.ts';

/** What verifies a secret, and which version of which row it was read from. */
export type StoredKey = StoredSecrets & { id: number; version: string };

export function createKeyLookup(database: Database) {
  /** Every change of a row, be it only of when it was last used, changes its xmin. */
  const version = sql<string>`${keys}.xmin::text`;

  // Every key that is asked for has a row of the same form and size, be there such a key or not (its id is 0 then):
  // reading fewer bytes took measurably less time.
  const findStatement = database
    .select({
      asked: sql<string>`asked.api_key`,
      id: sql<number>`coalesce(${keys.id}, 0)`.mapWith(Number),
      version: sql<string>`coalesce(${version}, '0000')`,
      secretHash: sql<Buffer>`coalesce(${keys.secretHash}, decode(repeat('00', 32), 'hex'))`,
      previousSecretHash: sql<Buffer | null>`case when ${keys.previousSecretExpiresAt} > now() then ${keys.previousSecretHash} end`,
      usable: sql<boolean>`${keys.id} is not null and ${keys.deletedAt} is null and (${keys.expiresAt} is null or ${keys.expiresAt} > now())`,
    })
    .from(sql`unnest(${sql.placeholder('apiKeys')}::text[]) as asked(api_key)`)
    .leftJoin(keys, sql`${keys.apiKey} = asked.api_key`)
    .prepare('find_keys');
  const describeStatement = database
    .select({
      version,
      key: {
        id: keys.id,
        publicId: keys.publicId,
        role: keys.role,
        owner: keys.owner,
        rules: keys.rules,
        servers: keys.servers,
        rateLimit: keys.rateLimit,
        allowRedirects: keys.allowRedirects,
      },
    })
    .from(keys)
    .where(eq(keys.id, sql.placeholder('id')))
    .prepare('describe_key');

  const described = new Map<number, { version: string; key: Key }>();
  const find = inBatches<string, StoredKey | null>({
    // Few, so that under load each serves many requests; two, so that one connection that hangs does not hold up all.
    callsAtMost: 2,
    itemsAtMost: 1000,
    call: async (apiKeys) => {
      const rows = await findStatement.execute({ apiKeys: [...new Set(apiKeys)] });
      const found = new Map(rows.map(({ asked, ...stored }) => [asked, stored.id === 0 ? null : stored]));
      return apiKeys.map((apiKey) => found.get(apiKey) ?? null);
    },
  });

  return {
    /**
     * What verifies the secret of a key, deleted and expired ones included; null for an unknown Api-Key.
     *
     * A query that was sent is never joined, so that each request sees every deletion and rotation that was done before it came.
     */
    find,

    /** Who a verified key is; read from Postgres only where its row has changed since. Null where the row is gone. */
    async describe({ id, version }: Pick<StoredKey, 'id' | 'version'>): Promise<Key | null> {
      const known = described.get(id);
      if (known?.version === version) return known.key;
      const [row] = await describeStatement.execute({ id });
      if (row === undefined) return null;
      described.set(id, row);
      return row.key;
    },
  };
}
