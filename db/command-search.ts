/**
 * Finds the ids of commands that have something in common, in their order. Whatever is asked for, an index bounds how
 * much is read: see the tests beside.
 */
import {
  and,
  asc,
  between,
  count,
  desc,
  eq,
  gt,
  gte,
  inArray,
  isNotNull,
  like,
  lt,
  max,
  min,
  type SQL,
  sql,
} from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';
import type { CommandState } from '../lib/command.ts';
import type { Database } from './client.ts';
import { commands } from './schema.ts';

/** What commands have in common. Null or left out: whatever it is. */
export type CommandFilter = {
  /** Null for those of every owner. */
  owner: string | null;
  state?: CommandState | undefined;
  server?: string | undefined;
  /** Accepted then or later. */
  since?: Date | undefined;
  /** Accepted before. */
  until?: Date | undefined;
  /** A part of the command line, capitals and all. */
  text?: string | undefined;
};

export type IdOrder = 'asc' | 'desc';

/** `lookedTo`: up to where a search looked that was given up, and has more to look at beyond; else null. */
export type FoundIds = { ids: number[]; lookedTo: number | null };

type LeadingColumn = typeof commands.owner | typeof commands.state | typeof commands.server;

/** Of the rows that one search looks at where no index finds its text. */
const looksAtMost = 200_000;
/** The index behind searches is one of trigrams, of letters and digits: it finds no text without three in a row. */
const indexedText = /[\p{L}\p{N}]{3}/u;
/**
 * Ids follow the times, but for transactions that waited, seconds at most, and for what a clock of Postgres that was
 * set did: so much of it is allowed for.
 */
const disorder = sql.raw("interval '5 minutes'");
/** So many must agree where a time is among the ids, so that a few with a wrong time mislead nobody. */
const landmarks = 100;

export type CommandSearch = ReturnType<typeof createCommandSearch>;

/** @param rowsLookedAt by one search where no index finds its text */
export function createCommandSearch(database: Database, rowsLookedAt = looksAtMost) {
  /** The first of those that the filter lets through, whatever their text, and the order in which they are. */
  function firstOf(filter: CommandFilter, range: SQL | undefined, order: IdOrder, limit: number) {
    const leading = leadingColumn(filter) ?? commands.id;
    const first = database
      .select({ leading: sql`${leading}`.as('leading'), id: commands.id, command: commands.command })
      .from(commands)
      .where(and(matching(filter, leading), range))
      .orderBy(inOrder(order, leading), inOrder(order, commands.id))
      .limit(limit)
      .as('first');
    return { first, sameOrder: [inOrder(order, first.leading), inOrder(order, first.id)] };
  }

  async function findByFilter(filter: CommandFilter, range: SQL | undefined, order: IdOrder, limit: number) {
    const { first, sameOrder } = firstOf(filter, range, order, limit);
    const rows = await database
      .select({ id: first.id })
      .from(first)
      .orderBy(...sameOrder);
    return { ids: rows.map(({ id }) => id), lookedTo: null };
  }

  /** The index behind it has final commands alone; the others are looked at one by one, all of them at most. */
  async function searchIndexed(
    filter: CommandFilter,
    range: SQL | undefined,
    pattern: string,
    order: IdOrder,
    limit: number,
  ): Promise<FoundIds> {
    const matches = and(matching(filter), range, like(commands.command, pattern));
    const first = sql`order by id ${sql.raw(order)} limit ${limit}`;
    // Apart, since Postgres would walk all commands by id to come upon some of a long queue.
    const { rows } = await database.execute<{ id: string }>(sql`
      with under_way as materialized (
        select id from ${commands} where ${and(matches, inArray(commands.state, ['queued', 'running']))}
      )
      (select id from ${commands} where ${and(matches, isNotNull(commands.ranAt))} ${first})
      union all (select id from under_way ${first}) ${first}`);
    return { ids: rows.map(({ id }) => Number(id)), lookedTo: null };
  }

  /** Looks at the next so many rows one by one, and no further. */
  async function searchUnindexed(
    filter: CommandFilter,
    range: SQL | undefined,
    pattern: string,
    order: IdOrder,
    limit: number,
  ): Promise<FoundIds> {
    const { first, sameOrder } = firstOf(filter, range, order, rowsLookedAt);
    const rows = await database
      .select({ id: first.id })
      .from(first)
      .where(like(first.command, pattern))
      .orderBy(...sameOrder)
      .limit(limit);
    const ids = rows.map(({ id }) => id);
    if (ids.length === limit) return { ids, lookedTo: null };
    const [end] = await database
      .select({ rows: count(), last: order === 'asc' ? max(first.id) : min(first.id) })
      .from(first);
    return { ids, lookedTo: end?.rows === rowsLookedAt ? end.last : null };
  }

  /** The id below which everything was accepted before a time, or null where that cannot be told. */
  async function lastBefore(time: Date): Promise<number | null> {
    const before = database
      .select({ id: commands.id })
      .from(commands)
      .where(
        and(isNotNull(commands.ranAt), lt(commands.createdAt, sql`${time.toISOString()}::timestamptz - ${disorder}`)),
      )
      .orderBy(desc(commands.createdAt))
      .limit(landmarks)
      .as('before');
    const [found] = await database.select({ rows: count(), id: min(before.id) }).from(before);
    return found?.rows === landmarks ? found.id : null;
  }

  /** The id above which everything was accepted after a time, or null where that cannot be told. */
  async function firstAfter(time: Date): Promise<number | null> {
    const after = database
      .select({ id: commands.id })
      .from(commands)
      .where(
        and(isNotNull(commands.ranAt), gt(commands.createdAt, sql`${time.toISOString()}::timestamptz + ${disorder}`)),
      )
      .orderBy(asc(commands.createdAt))
      .limit(landmarks)
      .as('after');
    const [found] = await database.select({ rows: count(), id: max(after.id) }).from(after);
    return found?.rows === landmarks ? found.id : null;
  }

  return {
    /**
     * The first ids of those that match, going up or down.
     * @param range of the ids to look among
     */
    async find(filter: CommandFilter, range: SQL | undefined, order: IdOrder, limit: number): Promise<FoundIds> {
      if (filter.text === undefined) return await findByFilter(filter, range, order, limit);
      const search = indexedText.test(filter.text) ? searchIndexed : searchUnindexed;
      return await search(filter, range, `%${escapeLike(filter.text)}%`, order, limit);
    },

    /** The range of ids that holds every command accepted since and until. Without it, all would be looked at in turn. */
    async rangeOf({ since, until }: Pick<CommandFilter, 'since' | 'until'>): Promise<SQL | undefined> {
      const above = since && (await lastBefore(since));
      const below = until && (await firstAfter(until));
      return and(
        above == null ? undefined : gt(commands.id, above),
        below == null ? undefined : lt(commands.id, below),
      );
    },
  };
}

/**
 * The column whose index is to be read: its values have the ids behind them in order. Nearly every command succeeds, so
 * that this state is better looked at in passing.
 */
function leadingColumn({ owner, state, server }: CommandFilter): LeadingColumn | null {
  if (state !== undefined && state !== 'succeeded') return commands.state;
  if (server !== undefined) return commands.server;
  if (owner !== null) return commands.owner;
  return state === undefined ? null : commands.state;
}

/**
 * All but the text.
 * @param leading given as a range: with one value, Postgres would take the order of ids for enough, and walk all commands
 *   to come upon those that it believes to be everywhere, where they are all at the other end
 */
export function matching({ owner, state, server, since, until }: CommandFilter, leading?: PgColumn): SQL | undefined {
  const is = <Column extends LeadingColumn>(column: Column, value: string) =>
    column === leading ? between(column, value, value) : eq(column, value);
  return and(
    owner === null ? undefined : is(commands.owner, owner),
    state === undefined ? undefined : is(commands.state, state),
    server === undefined ? undefined : is(commands.server, server),
    since === undefined ? undefined : gte(commands.createdAt, since),
    until === undefined ? undefined : lt(commands.createdAt, until),
  );
}

function escapeLike(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&');
}

function inOrder(order: IdOrder, column: PgColumn | SQL | SQL.Aliased): SQL {
  return order === 'asc' ? asc(column) : desc(column);
}
