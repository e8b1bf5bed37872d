import { defineConfig } from 'vitest/config';
import base from '../../vitest.config.ts';

/** For what takes too long to be a part of every test run: `npm run test:chaos -- --mutations`. */
export default defineConfig({ test: { ...base.test, include: ['tests/chaos/*.chaos.ts'] } });
