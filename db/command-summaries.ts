/** Commands as a list shows them: without their outputs, which may be large, and with a part of their command lines. */
import { desc, sql } from 'drizzle-orm';
import type { Database } from './client.ts';
import { type CommandRow, commandColumns, commands } from './schema.ts';

/** The beginning of a command line that a list shows, in characters. */
const shownCharacters = 400;

export type CommandSummary = Pick<
  CommandRow,
  'id' | 'token' | 'command' | 'state' | 'server' | 'createdAt' | 'startedAt' | 'ranAt' | 'durationMs'
>;

const { id, token, state, server, createdAt, startedAt, ranAt, durationMs } = commandColumns;
const beginning = sql<string>`left(${commands.command}, ${sql.raw(String(shownCharacters))})`;
const summary = { id, token, command: beginning, state, server, createdAt, startedAt, ranAt, durationMs };

/** What a list shows of a row that was read whole. */
export function toSummary(row: CommandRow): CommandSummary {
  const characters = [...row.command.slice(0, 2 * shownCharacters)];
  return { ...row, command: characters.slice(0, shownCharacters).join('') };
}

/** How many commands ahead of one are counted. */
const aheadAtMost = 1000;

export type CommandSummaries = ReturnType<typeof createCommandSummaries>;

export function createCommandSummaries(database: Database) {
  const ofIdsStatement = database
    .select(summary)
    .from(commands)
    .where(sql`${commands.id} = any(${sql.placeholder('ids')})`)
    .orderBy(desc(commands.id))
    .prepare('command_summaries');

  return {
    /** Those with these ids, the newest first. */
    async ofIds(ids: readonly number[]): Promise<CommandSummary[]> {
      return ids.length === 0 ? [] : await ofIdsStatement.execute({ ids: [...ids] });
    },

    /** How many commands run or wait before one that is queued, up to 1000. */
    async ahead(queued: Pick<CommandRow, 'id' | 'server'>): Promise<number> {
      const { rows } = await database.execute<{ ahead: number }>(sql`
        select count(*)::int as ahead from (
          (select 1 from ${commands} where server = ${queued.server} and state = 'running')
          union all
          (select 1 from ${commands} where server = ${queued.server} and state = 'queued' and id < ${queued.id}
            limit ${aheadAtMost})
        ) ahead`);
      return rows[0]?.ahead ?? 0;
    },
  };
}
