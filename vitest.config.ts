import { configDefaults, defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts', 'tests/**/*.test.tsx'],
    // They need Chromium (npm run test:browser), and nginx and more than a minute (npm run test:proxies).
    exclude: [...configDefaults.exclude, 'tests/browser/**', 'tests/proxies/**'],
    globalSetup: ['tests/support/global-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 4,
  },
});
