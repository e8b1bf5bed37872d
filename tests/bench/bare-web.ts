/** What the web process is held against: a Hono handler with one prepared statement, and nothing around it. */
import { randomBytes } from 'node:crypto';
import { serve } from '@hono/node-server';
import { eq, sql } from 'drizzle-orm';
import { Hono } from 'hono';
import { connectDatabase } from '../../db/client.ts';
import { commands } from '../../db/schema.ts';

const [, , databaseUrl = '', port = ''] = process.argv;
const database = connectDatabase(databaseUrl, {
  maximum: 10,
  onError: (error) => {
    throw error;
  },
});
const insert = database
  .insert(commands)
  .values({
    token: sql.placeholder('token'),
    server: 'default',
    command: sql.placeholder('command'),
    timeoutSeconds: 600,
    keyId: 1,
    createdBy: 'bare',
    owner: 'default',
  } as never)
  .returning()
  .prepare('bare_insert');
const find = database
  .select()
  .from(commands)
  .where(eq(commands.token, sql.placeholder('token')))
  .prepare('bare_find');

const app = new Hono()
  .post('/commands', async (context) => {
    const fields = new URLSearchParams(await context.req.text());
    const token = randomBytes(32).toString('hex');
    const [row] = await insert.execute({ token, command: fields.get('cmd') });
    return context.json(row, 202);
  })
  .get('/commands/:token', async (context) => {
    const [row] = await find.execute({ token: context.req.param('token') });
    return context.json(row);
  });
serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(port) }, () => process.stdout.write('listening\n'));
