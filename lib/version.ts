import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The version of package.json, found above this file both in the sources and in the build. */
export const version: string = (() => {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const text = readPackage(join(folder, 'package.json'));
    if (text !== null) return (JSON.parse(text) as { version: string }).version;
    if (dirname(folder) === folder) throw new Error('package.json is missing: install the whole package');
  }
})();

function readPackage(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
