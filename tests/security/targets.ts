import { randomBytes } from 'node:crypto';
import { sql } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { type CommandRow, commands, deliveries } from '../../db/schema.ts';

type Target = Partial<Pick<CommandRow, 'command' | 'owner' | 'server' | 'keyId'>>;

/** Stores a command as if it had come to this state, a final one with a callback that was given up. */
export async function storeCommand(
  database: Database,
  state: 'queued' | 'running' | 'final',
  { command = 'apps:list', owner = 'shop', server = 'default', keyId = 1 }: Target = {},
): Promise<string> {
  const token = randomBytes(32).toString('hex');
  const callbackUrl = state === 'final' ? 'https://example.com/done' : null;
  const [row] = await database
    .insert(commands)
    .values({
      token,
      server,
      command,
      owner,
      keyId,
      createdBy: 'key_test',
      timeoutSeconds: 600,
      callbackUrl,
      ...(state === 'final'
        ? { state: 'succeeded' as const, ok: true, output: `output of ${token}`, ranAt: new Date() }
        : { state }),
    })
    .returning({ id: commands.id });
  if (callbackUrl !== null) {
    await database.insert(deliveries).values({
      commandId: row?.id ?? 0,
      webhookId: `msg_${token}`,
      url: callbackUrl,
      host: 'example.com',
      keyId,
      state: 'dead',
      nextAt: null,
    });
  }
  return token;
}

/** Differs after any change of a command, a callback or a remembered request. */
export async function stateOf(database: Database): Promise<unknown> {
  const { rows } = await database.execute(sql`select
    (select md5(coalesce(string_agg(c::text, '|' order by id), '')) from dokku_api.commands c) as commands,
    (select md5(coalesce(string_agg(d::text, '|' order by id), '')) from dokku_api.deliveries d) as deliveries,
    (select count(*) from dokku_api.idempotency_keys) as requests`);
  return rows[0];
}
