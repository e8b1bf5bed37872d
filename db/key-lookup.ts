/** The look-up behind every request: one query serves all requests that wait for it, and none is ever remembered. */
import { sql } from 'drizzle-orm';
import type { StoredSecrets } from '../lib/credentials.ts';
import type { Key } from '../lib/key.ts';
import type { Database } from './client.ts';
import { keys } from './schema.ts';

export type StoredKey = StoredSecrets & { key: Key };

/** Several, so that one connection that hangs does not hold up every request. */
const queriesAtMost = 4;

type Waiter = { apiKey: string; resolve: (stored: StoredKey | null) => void; reject: (error: unknown) => void };

/**
 * Makes the function that finds a key by its Api-Key; null where there is none.
 *
 * What is asked for while all queries are under way shares the next one. A query that was sent is never joined, so that
 * each request sees every deletion and rotation that was done before it came.
 */
export function createKeyLookup(database: Database): (apiKey: string) => Promise<StoredKey | null> {
  const statement = database
    .select({
      apiKey: keys.apiKey,
      secretHash: keys.secretHash,
      previousSecretHash: sql<Buffer | null>`case when ${keys.previousSecretExpiresAt} > now() then ${keys.previousSecretHash} end`,
      usable: sql<boolean>`${keys.deletedAt} is null and (${keys.expiresAt} is null or ${keys.expiresAt} > now())`,
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
    .where(sql`${keys.apiKey} = any(${sql.placeholder('apiKeys')})`)
    .prepare('find_keys');

  let waiting: Waiter[] = [];
  let running = 0;

  async function query(apiKeys: Iterable<string>): Promise<Map<string, StoredKey>> {
    const rows = await statement.execute({ apiKeys: [...new Set(apiKeys)] });
    return new Map(rows.map(({ apiKey, ...stored }) => [apiKey, stored]));
  }

  function sendNext(): void {
    if (running === queriesAtMost || waiting.length === 0) return;
    const batch = waiting;
    waiting = [];
    running += 1;
    void query(batch.map(({ apiKey }) => apiKey))
      .then(
        (found) => {
          for (const { apiKey, resolve } of batch) resolve(found.get(apiKey) ?? null);
        },
        (error: unknown) => {
          for (const { reject } of batch) reject(error);
        },
      )
      .finally(() => {
        running -= 1;
        sendNext();
      });
  }

  return (apiKey) =>
    new Promise((resolve, reject) => {
      waiting.push({ apiKey, resolve, reject });
      sendNext();
    });
}
