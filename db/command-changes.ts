/** What changed, for whoever waits: see `changedIn` of the commands. */
import { sql } from 'drizzle-orm';
import type { Database } from './client.ts';
import { commands } from './schema.ts';

export type CommandChanges = ReturnType<typeof createCommandChanges>;

export function createCommandChanges(database: Database) {
  const ofTokensStatement = database
    .select({ token: commands.token, changedIn: commands.changedIn })
    .from(commands)
    .where(sql`${commands.token} = any(${sql.placeholder('tokens')})`)
    .prepare('command_changes');

  return {
    /** The last change of each of the commands. */
    async ofTokens(tokens: readonly string[]): Promise<{ token: string; changedIn: string }[]> {
      return await ofTokensStatement.execute({ tokens: [...tokens] });
    },
  };
}
