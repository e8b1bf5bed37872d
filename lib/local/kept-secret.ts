import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The `SECRET_KEY` of this folder, made at the first call and readable by its owner alone. */
export function keptSecretKey(folder: string): string {
  const path = join(folder, 'secret-key');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  try {
    writeFileSync(path, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw new Error(`${path} cannot be written: make its folder writable`, { cause: error });
    }
  }
  return readFileSync(path, 'utf8').trim();
}
