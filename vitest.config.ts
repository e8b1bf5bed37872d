import { configDefaults, defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts', 'tests/**/*.test.tsx'],
    // They need Chromium (npm run test:browser), nginx and more than a minute (npm run test:proxies), and root and
    // others' servers (npm run test:infrastructure).
    exclude: [...configDefaults.exclude, 'tests/browser/**', 'tests/proxies/**', 'tests/infrastructure/**'],
    globalSetup: ['tests/support/global-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 4,
  },
});
