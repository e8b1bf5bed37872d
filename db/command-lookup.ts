/** Commands by their tokens: one query serves all requests that wait for it, and none is remembered. */
import { eq, type SQL, sql } from 'drizzle-orm';
import { inBatches } from '../lib/batches.ts';
import type { Database } from './client.ts';
import { type CommandRow, commandColumns, commands, textBytes } from './schema.ts';
import { createStatement } from './statement.ts';

/** A row whose texts are longer is read alone, so that what one query brings has a bound. */
const sharedBytes = 16 * 1024;

/** Looks a command up as it is when it is asked for; null where there is none. */
export function createCommandLookup(database: Database): (token: string) => Promise<CommandRow | null> {
  const statement = (where: SQL, name: string) =>
    createStatement(database, commandColumns, database.select().from(commands).where(where), name);
  const find = statement(eq(commands.token, sql.placeholder('token')), 'find_command');
  const findSmall = statement(
    sql`${commands.token} = any(${sql.placeholder('tokens')}) and ${textBytes} <= ${sql.raw(String(sharedBytes))}`,
    'find_small_commands',
  );

  async function findAlone(token: string): Promise<CommandRow | null> {
    const [row] = await find({ token });
    return row ?? null;
  }

  /** Undefined where it is for `findAlone` to say. */
  const findShared = inBatches<string, CommandRow | null | undefined>({
    // As of the look-ups of keys: one connection that hangs does not hold up all.
    callsAtMost: 2,
    itemsAtMost: 64,
    call: async (tokens) => {
      const [only] = tokens;
      if (tokens.length === 1 && only !== undefined) return [await findAlone(only)];
      const rows = await findSmall({ tokens: [...new Set(tokens)] });
      const found = new Map(rows.map((row) => [row.token, row]));
      return tokens.map((token) => found.get(token));
    },
  });

  return async (token) => {
    const found = await findShared(token);
    return found === undefined ? await findAlone(token) : found;
  };
}
