import { existsSync } from 'node:fs';

const usualPaths = ['/usr/bin/chromium', '/usr/bin/chromium-browser'];

/**
 * Where Chromium is: at `CHROMIUM`, or where Debian's package puts it.
 * @throws Error that names the package
 */
export function findChromium(): string {
  const named = process.env.CHROMIUM;
  const found = (named === undefined ? usualPaths : [named]).find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new Error('Chromium is missing: run apt-get install -y chromium, or set CHROMIUM to where it is');
}
