/**
 * Commands in the order of their ids: pages by keyset, and many commands in batches that a bounded memory holds.
 * Every read is a statement of its own; no transaction is held between two of them.
 */
import { and, asc, desc, gt, gte, lt, lte, type Placeholder, type SQL, sql } from 'drizzle-orm';
import type { Database } from './client.ts';
import {
  type CommandFilter,
  type CommandSearch,
  createCommandSearch,
  type IdOrder,
  matching,
} from './command-search.ts';
import { type CommandRow, commandColumns, commands, textBytes } from './schema.ts';

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
const rowsAtOnce = 400;
/** Of command lines and outputs, above which a batch takes no further row. */
const bytesAtOnce = 1024 * 1024;

export type CommandPages = ReturnType<typeof createCommandPages>;

/** @param search which finds the ids of a page */
export function createCommandPages(database: Database, search: CommandSearch = createCommandSearch(database)) {
  /** The first rows of those selected, as many as a batch may have: by the bytes of their texts. */
  function batchOf(where: SQL | undefined, order: IdOrder) {
    const direction = sql.raw(order);
    const selected = database
      .select()
      .from(commands)
      .where(where)
      .orderBy(order === 'asc' ? asc(commands.id) : desc(commands.id))
      .limit(rowsAtOnce);
    const batch = database.$with('batch', commandColumns).as(sql`
      select * from (
        select selected.*, sum(${textBytes}) over (order by id ${direction} rows between unbounded preceding
          and 1 preceding) as bytes_before
        from ${selected} selected
      ) measured where coalesce(bytes_before, 0) < ${sql.raw(String(bytesAtOnce))}`);
    return database
      .with(batch)
      .select()
      .from(batch)
      .orderBy(order === 'asc' ? asc(batch.id) : desc(batch.id));
  }

  const inRange = (after: number | Placeholder, highest: number | Placeholder) =>
    and(gt(commands.id, after), lte(commands.id, highest));
  // The list of all asks for thousands of batches. That of an owner needs a plan for how many the owner has.
  const nextStatement = batchOf(inRange(sql.placeholder('after'), sql.placeholder('highest')), 'asc').prepare(
    'next_commands',
  );
  const withIds = sql`${commands.id} = any(${sql.placeholder('ids')})`;
  const withIdsStatements = {
    asc: batchOf(withIds, 'asc').prepare('commands_ascending'),
    desc: batchOf(withIds, 'desc').prepare('commands_descending'),
  };

  async function nextBatch(owner: string | null, after: number, highest: number): Promise<CommandRow[]> {
    return owner === null
      ? await nextStatement.execute({ after, highest })
      : await batchOf(and(matching({ owner }), inRange(after, highest)), 'asc');
  }

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
    async *upTo(owner: string | null, highest: number): AsyncGenerator<CommandRow[]> {
      for (let last = 0; last < highest; ) {
        const rows = await nextBatch(owner, last, highest);
        const end = rows.at(-1);
        if (end === undefined) return;
        yield rows;
        last = end.id;
      }
    },

    /** The commands with these ids, which come as they may, in batches. Those deleted meanwhile are left out. */
    async *withIds(ids: readonly number[], order: IdOrder): AsyncGenerator<CommandRow[]> {
      // What is behind the last row of a batch is what that batch left.
      for (let rest = inOrder(ids, order); rest.length > 0; ) {
        const rows = await withIdsStatements[order].execute({ ids: rest });
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
