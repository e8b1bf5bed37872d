import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Behind a real nginx: apart from the other tests, since they outlast its time-outs, and many machines have none. */
export default defineConfig({
  test: {
    root: fileURLToPath(new URL('../..', import.meta.url)),
    include: ['tests/proxies/**/*.test.ts'],
    globalSetup: ['tests/proxies/nginx-setup.ts', 'tests/support/global-setup.ts'],
    testTimeout: 120_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 1,
  },
});
