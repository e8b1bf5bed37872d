/** One command for whoever looks at it: of an output that is long only its beginning and its end are read. */
import { eq, getTableColumns, sql } from 'drizzle-orm';
import type { Database } from './client.ts';
import { type CommandRow, commands } from './schema.ts';

/** A stored text: the whole of it, or its two ends. `bytes` is its length in UTF-8. */
export type TextEnds = { bytes: number; whole: string } | { bytes: number; head: string; tail: string };

export type CommandView = Omit<CommandRow, 'output' | 'lateOutput'> & {
  /** Null while there is none. */
  output: TextEnds | null;
  lateOutput: TextEnds | null;
};

/** Up to so many bytes a text is read whole: as many as an output that is JSON may have. */
const wholeBytes = 1024 * 1024;

const { output, lateOutput, ...others } = getTableColumns(commands);

export type CommandViews = ReturnType<typeof createCommandViews>;

/** @param endCharacters of each end of a text that is not read whole */
export function createCommandViews(database: Database, endCharacters: number) {
  const ends = (column: typeof output | typeof lateOutput) =>
    sql<TextEnds | null>`case when ${column} is null then null
      when octet_length(${column}) <= ${sql.raw(String(wholeBytes))}
      then json_build_object('bytes', octet_length(${column}), 'whole', ${column})
      else json_build_object('bytes', octet_length(${column}), 'head', left(${column}, ${sql.raw(String(endCharacters))}),
        'tail', right(${column}, ${sql.raw(String(endCharacters))})) end`;
  const statement = database
    .select({ ...others, output: ends(output), lateOutput: ends(lateOutput) })
    .from(commands)
    .where(eq(commands.token, sql.placeholder('token')))
    .prepare('view_command');

  return {
    async find(token: string): Promise<CommandView | null> {
      const [row] = await statement.execute({ token });
      return row ?? null;
    },
  };
}
