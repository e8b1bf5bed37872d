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

function readOptions() {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000) + 1) },
      seconds: { type: 'string', default: '60' },
      mutations: { type: 'boolean', default: false },
    },
  });
  return {
    seed: readNumber('seed', values.seed, 4_294_967_295),
    seconds: readNumber('seconds', values.seconds, 86_400),
    mutations: values.mutations,
  };
}

function readOptionsOrExit() {
  try {
    return readOptions();
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exit(2);
  }
}

const { seed, seconds, mutations } = readOptionsOrExit();
const env = { ...process.env, CHAOS_SEED: seed, CHAOS_SECONDS: seconds };
const root = fileURLToPath(new URL('../..', import.meta.url));
const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
const args = mutations ? ['--config', 'tests/chaos/vitest.config.ts', '--root', '.'] : ['tests/chaos/chaos.test.ts'];
const child = spawn(process.execPath, [vitest, 'run', ...args], { cwd: root, env, stdio: 'inherit' });
child.once('exit', (code) => {
  process.exitCode = code ?? 1;
});
