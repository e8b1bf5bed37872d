import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** With real servers of others, which the system's packages bring: apart from the other tests, since many machines have none. */
export default defineConfig({
  test: {
    root: fileURLToPath(new URL('../..', import.meta.url)),
    include: ['tests/infrastructure/**/*.test.ts'],
    globalSetup: ['tests/infrastructure/programs-setup.ts', 'tests/support/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});
