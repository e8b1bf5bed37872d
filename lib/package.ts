/** What this package is made of, wherever it is installed: its sources, or a build of them, which has the same paths. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(import.meta.url);
const folder = folderWith('db/migrations', dirname(here));

function folderWith(path: string, from: string): string {
  if (existsSync(join(from, path))) return from;
  if (dirname(from) === from) throw new Error(`${path} is missing: install the whole package`);
  return folderWith(path, dirname(from));
}

export const { version } = JSON.parse(
  readFileSync(join(folderWith('package.json', folder), 'package.json'), 'utf8'),
) as {
  version: string;
};

/** @param path of a file or folder that is read, not imported, as from the package's folder: `db/migrations` */
export function ownFile(path: string): string {
  return join(folder, path);
}

/** @param path of a program of ours, without its ending: `worker/main` */
export function ownProgram(path: string): string {
  return ownFile(path + extname(here));
}
