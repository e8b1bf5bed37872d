/**
 * Commands in the order of their ids: pages by keyset, and many commands in batches that a bounded memory holds.
 * Every read is a statement of its own; no transaction is held between two of them.
 */
import { and, asc, desc, gt, gte, lt, lte, type SQL, sql } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';
import type { StoredCommand } from '../lib/command.ts';
import type { Database } from './client.ts';
import {
  type CommandFilter,
  type CommandSearch,
  createCommandSearch,
  type IdOrder,
  matching,
} from './command-search.ts';
import { type CommandRow, commandColumns, commands, storedColumns, textBytes } from './schema.ts';
import { createStatement } from './statement.ts';

/**
 * A page holds the rows next to `after` going up, or next to `before` going down; with both or none it begins at the
 * order's own end. `order` is that of its rows in any case.
 */
export type PageRequest = {
  filter: CommandFilter;
  limit: number;
  order: IdOrder;
  after: number | null;
  before: number | null;
};

/** The ids of a page in its order, and whether there is more to its either side, in that order. */
export type CommandPage = {
  ids: number[];
  hasNext: boolean;
  hasPrevious: boolean;
  /** The id to which a search looked that did not fill the page and has more to look at beyond; else null. */
  lookedTo: number | null;
};

/** Few enough to be garbage before the collector takes them for something that lasts, and many enough that to ask is cheap. */
const rowsAtOnce = 250;
/** Of command lines and outputs, above which a batch takes no further row. */
const bytesAtOnce = 1024 * 1024;

/** The rows behind an id, which are on their way. */
type AskedBatch = { after: number; rows: Promise<StoredCommand[]> };

export type CommandPages = ReturnType<typeof createCommandPages>;

/** @param search which finds the ids of a page */
export function createCommandPages(database: Database, search: CommandSearch = createCommandSearch(database)) {
  /** The first rows of those selected, as many as a batch may have: by the bytes of their texts. */
  function batchOf(columns: Record<string, PgColumn>, where: SQL | undefined, order: IdOrder) {
    const direction = order === 'asc' ? asc : desc;
    const selected = database
      .select(columns)
      .from(commands)
      .where(where)
      .orderBy(direction(commands.id))
      .limit(rowsAtOnce);
    const batch = database.$with('batch', columns).as(sql`
      select * from (
        select selected.*, sum(${textBytes}) over (order by id ${sql.raw(order)} rows between unbounded preceding
          and 1 preceding) as bytes_before
        from ${selected} selected
      ) measured where coalesce(bytes_before, 0) < ${sql.raw(String(bytesAtOnce))}`);
    return database.with(batch).select().from(batch).orderBy(direction(sql`id`));
  }

  const behind = and(gt(commands.id, sql.placeholder('after')), lte(commands.id, sql.placeholder('highest')));
  const next = (where: SQL | undefined, name?: string) =>
    createStatement(database, storedColumns, batchOf(storedColumns, and(where, behind), 'asc'), name);
  // The list of all asks for thousands of batches. That of an owner needs a plan for how many the owner has.
  const nextOfAll = next(undefined, 'next_commands');
  const withIds = (order: IdOrder, name: string) =>
    createStatement(
      database,
      commandColumns,
      batchOf(commandColumns, sql`${commands.id} = any(${sql.placeholder('ids')})`, order),
      name,
    );
  const withIdsStatements = {
    asc: withIds('asc', 'commands_ascending'),
    desc: withIds('desc', 'commands_descending'),
  };

  /** Looks from `start` on, itself included, where the nearest one is most likely. In doubt there are some. */
  async function isAny(filter: CommandFilter, range: SQL | undefined, start: number, order: IdOrder): Promise<boolean> {
    const there = order === 'asc' ? gte(commands.id, start) : lte(commands.id, start);
    const { ids, lookedTo } = await search.find(filter, and(range, there), order, 1);
    return ids.length > 0 || lookedTo !== null;
  }

  return {
    /** The highest id among the owner's commands, or of all where it is null; null where there are none. */
    async highestId(owner: string | null): Promise<number | null> {
      const { ids } = await search.find({ owner }, undefined, 'desc', 1);
      return ids[0] ?? null;
    },

    /** The commands up to an id, ascending, in batches. */
    async *upTo(owner: string | null, highest: number): AsyncGenerator<StoredCommand[]> {
      const nextBatch = owner === null ? nextOfAll : next(matching({ owner }));
      const ask = (after: number): AskedBatch => {
        const rows = nextBatch({ after, highest });
        // Thrown where it is awaited; nobody awaits it when the reader is gone, or when it was the wrong one to ask for.
        rows.catch(() => undefined);
        return { after, rows };
      };
      // Postgres reads the next ones while one is written.
      for (let asked = [ask(0)], batch = asked.shift(); batch !== undefined; batch = asked.shift()) {
        const rows: StoredCommand[] = await batch.rows;
        const end = rows.at(-1);
        if (end === undefined) return;
        if (asked[0]?.after !== end.id) asked = end.id < highest ? [ask(end.id)] : [];
        // Where the ids have no gaps, it is known already where the next batch ends.
        const following = (asked.at(-1)?.after ?? highest) + rowsAtOnce;
        if (end.id - batch.after === rowsAtOnce && following < highest) asked.push(ask(following));
        // Nothing of it is kept here while the next one comes.
        yield rows.splice(0);
      }
    },

    /** The commands with these ids, which come as they may, in batches. Those deleted meanwhile are left out. */
    async *withIds(ids: readonly number[], order: IdOrder): AsyncGenerator<CommandRow[]> {
      // What is behind the last row of a batch is what that batch left.
      for (let rest = inOrder(ids, order); rest.length > 0; ) {
        const rows = await withIdsStatements[order]({ ids: rest });
        const end = rows.at(-1);
        if (end === undefined) return;
        yield rows;
        rest = rest.slice(rest.indexOf(end.id) + 1);
      }
    },

    async page({ filter, limit, order, after, before }: PageRequest): Promise<CommandPage> {
      const upwards = (after === null) === (before === null) ? order === 'asc' : after !== null;
      const ofTime = await search.rangeOf(filter);
      const inRange = and(
        ofTime,
        after === null ? undefined : gt(commands.id, after),
        before === null ? undefined : lt(commands.id, before),
      );
      const { ids: found, lookedTo } = await search.find(filter, inRange, upwards ? 'asc' : 'desc', limit + 1);
      const ids = found.slice(0, limit);
      const more = found.length > limit || lookedTo !== null;
      const start = upwards ? after : before;
      const isRange = after !== null && before !== null;
      const behind = start !== null && !isRange && (await isAny(filter, ofTime, start, upwards ? 'desc' : 'asc'));
      const walksInOrder = upwards === (order === 'asc');
      if (!walksInOrder) ids.reverse();
      return { ids, hasNext: walksInOrder ? more : behind, hasPrevious: walksInOrder ? behind : more, lookedTo };
    },
  };
}

function inOrder(ids: readonly number[], order: IdOrder): number[] {
  return [...ids].sort(order === 'asc' ? (a, b) => a - b : (a, b) => b - a);
}
