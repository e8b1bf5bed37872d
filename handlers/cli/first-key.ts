import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { connectDatabase } from '../../db/client.ts';
import { createKeys } from '../../db/keys.ts';
import { createSeal } from '../../lib/seal.ts';

const keptKey = v.object({ apiKey: v.string(), apiSecret: v.string() });

/** The key pair that `npm start` shows, in clear. */
export type FirstKey = v.InferOutput<typeof keptKey>;

/**
 * The key pair kept in `.local/`, or a new one where the database has none at all. Null where there are only keys whose
 * secrets are not known here.
 */
export async function firstKey(options: {
  databaseUrl: string;
  secretKeys: readonly [string, ...string[]];
  folder: string;
}): Promise<FirstKey | null> {
  const path = join(options.folder, 'first-key.json');
  const database = connectDatabase(options.databaseUrl, {
    maximum: 1,
    onError: (error) => {
      throw error;
    },
  });
  try {
    const keys = createKeys(database, createSeal(options.secretKeys, 'signing-secret'));
    const usable = (await keys.list()).filter((key) => key.deletedAt === null);
    const kept = readKept(path);
    if (kept !== null && usable.some((key) => key.apiKey === kept.apiKey)) return kept;
    if (usable.length > 0) return null;
    const { apiKey, apiSecret } = await keys.generate({ name: 'npm start', role: 'admin' });
    writeFileSync(path, `${JSON.stringify({ apiKey, apiSecret })}\n`, { mode: 0o600 });
    return { apiKey, apiSecret };
  } finally {
    await database.$client.end();
  }
}

function readKept(path: string): FirstKey | null {
  try {
    return v.parse(keptKey, JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new Error(`${path} cannot be read: remove it, and a new key is made where there is none`, { cause: error });
  }
}
