import { findChromium } from './chromium.ts';

/** Fails at once, in one line, where the browser is missing. */
export default function setup(): void {
  findChromium();
}
