import { renameSync, symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { OwnPostgres } from './own-postgres.ts';
import { query } from './query.ts';

/** Where the system keeps long values of commands' columns. */
const fileOfLongValues = `
  SELECT current_setting('data_directory') AS folder, pg_relation_filepath(reltoastrelid) AS file
  FROM pg_class WHERE oid = 'dokku_api.commands'::regclass`;

/**
 * Puts `/dev/full` in the place of the file that takes the commands' long values, more than some 2 KB: the kernel answers
 * every write there as it does for a full disk. It needs neither root nor a file system of its own. None may be stored yet.
 */
export async function fillDisk(postgres: OwnPostgres): Promise<{ makeRoom: () => Promise<void> }> {
  const [found] = await query(postgres.url, fileOfLongValues);
  const file = join(String(found?.folder), String(found?.file));
  await postgres.stop();
  renameSync(file, `${file}.aside`);
  symlinkSync('/dev/full', file);
  await postgres.start();
  return {
    makeRoom: async () => {
      await postgres.stop();
      unlinkSync(file);
      renameSync(`${file}.aside`, file);
      await postgres.start();
    },
  };
}
