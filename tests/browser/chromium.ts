import { existsSync } from 'node:fs';

const usualPaths = ['/usr/bin/chromium', '/usr/bin/chromium-browser'];

export const missingChromium =
  'Chromium is missing: run apt-get install -y chromium, or set CHROMIUM to the path where it is';

/** Where Chromium is: at `CHROMIUM`, or where Debian's package puts it; undefined where it is not. */
export function chromiumPath(): string | undefined {
  const named = process.env.CHROMIUM;
  return (named === undefined ? usualPaths : [named]).find((path) => existsSync(path));
}
