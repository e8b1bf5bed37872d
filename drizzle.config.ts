import { defineConfig } from 'drizzle-kit';

export default defineConfig({
  dialect: 'postgresql',
  schema: './db/schema.ts',
  out: './db/migrations',
  schemaFilter: ['dokku_api'],
  migrations: { schema: 'dokku_api', table: 'migrations' },
});
