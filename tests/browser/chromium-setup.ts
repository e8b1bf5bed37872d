import { chromiumPath, missingChromium } from './chromium.ts';

/** Ends the run with one line, before anything is started, where the browser is missing. */
export default function setup(): void {
  if (chromiumPath() !== undefined) return;
  process.stderr.write(`${missingChromium}\n`);
  process.exit(1);
}
