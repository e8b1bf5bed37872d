/**
 * `npm run test:chaos -- --seed N --seconds S [--mutations]`: a long run of its own seed, or the proof that the checker
 * finds what it should. Ends with 0 where every promise was kept.
 */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

function readNumber(name: string, text: string, most: number): string {
  if (!/^\d{1,10}$/.test(text) || Number(text) < 1 || Number(text) > most) {
    throw new Error(`--${name} is a whole number from 1 to ${most}; it was "${text}"`);
  }
  return text;
}

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000) + 1) },
    seconds: { type: 'string', default: '60' },
    mutations: { type: 'boolean', default: false },
  },
});
const env = {
  ...process.env,
  CHAOS_SEED: readNumber('seed', values.seed, 4_294_967_295),
  CHAOS_SECONDS: readNumber('seconds', values.seconds, 86_400),
};
const root = fileURLToPath(new URL('../..', import.meta.url));
const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
const args = values.mutations
  ? ['--config', 'tests/chaos/vitest.config.ts', '--root', '.']
  : ['tests/chaos/chaos.test.ts'];
const child = spawn(process.execPath, [vitest, 'run', ...args], { cwd: root, env, stdio: 'inherit' });
child.once('exit', (code) => {
  process.exitCode = code ?? 1;
});
