import { sql } from 'drizzle-orm';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectDatabase, type Database } from '../../db/client.ts';
import { type CommandPages, createCommandPages } from '../../db/command-pages.ts';
import { type CommandFilter, createCommandSearch } from '../../db/command-search.ts';
import { commands } from '../../db/schema.ts';
import { finalStates } from '../../lib/command.ts';
import { createDatabase } from '../support/database.ts';

let database: Database;
let pages: CommandPages;
let all: { id: number; owner: string; server: string; state: string; command: string; createdAt: Date }[];

const start = Date.UTC(2024, 0, 1);
const count = 12_000;
const perSecond = 10;

/** Ten commands a second, up to five minutes out of order; every fifth is under way, and a few have a wrong clock's. */
beforeAll(async () => {
  const { url } = await createDatabase();
  database = connectDatabase(url, {
    maximum: 2,
    onError: (error) => {
      throw error;
    },
  });
  pages = createCommandPages(database, createCommandSearch(database, 500));
  await database.execute(sql`
    insert into ${commands} (id, token, server, command, state, reason, ok, output, timeout_seconds, created_at, ran_at, key_id,
      created_by, owner)
    select n, lpad(n::text, 64, '0'), (array['default', 'eu', 'us'])[1 + n % 3 % (1 + n % 2)],
      'ps:restart app-' || n % 50 || case when n % 70 = 0 then ' 100%_\\' else '' end, state,
      case state when 'lost' then 'command_lost' when 'canceled' then 'command_canceled' when 'timed_out' then 'command_timed_out' end,
      case when n % 5 <> 0 then true end, case when n % 5 <> 0 then 'done' end, 600, at, case when n % 5 <> 0 then at end, 1, 'key_test',
      (array['default', 'team'])[1 + n % 2]
    from generate_series(1, ${count}) n
    cross join lateral (select case when n % 500 = 1 then timestamptz '2030-01-01' else
      to_timestamp(${start / 1000}::float8 + n / ${perSecond} + hashint4(n) % 140) end as at,
      case when n % 5 = 0 then 'queued' when n > 8000 then 'succeeded' else (${sql.param([...finalStates])}::text[])[1 + n % 4] end as state) made`);
  all = await database.select().from(commands).orderBy(commands.id);
});
afterAll(async () => await database.$client.end());

const text = fc.constantFrom(
  'app-7',
  'app-49',
  'ps:',
  'p',
  '-1',
  '%',
  '_',
  '\\',
  '%_\\',
  'APP',
  'restart app-1',
  'none',
);
const time = fc.integer({ min: -300, max: count / perSecond + 300 }).map((second) => new Date(start + second * 1000));
const optional = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined });
const filters: fc.Arbitrary<CommandFilter> = fc.record({
  owner: fc.constantFrom(null, 'default', 'team', 'nobody'),
  state: optional(fc.constantFrom('queued', 'running', ...finalStates)),
  server: optional(fc.constantFrom('default', 'eu', 'us', 'gone')),
  since: optional(time),
  until: optional(time),
  text: optional(text),
});

function matches(
  row: (typeof all)[number],
  { owner, state, server, since, until, text: part }: CommandFilter,
): boolean {
  return (
    (owner === null || row.owner === owner) &&
    (state === undefined || row.state === state) &&
    (server === undefined || row.server === server) &&
    (since === undefined || row.createdAt >= since) &&
    (until === undefined || row.createdAt < until) &&
    (part === undefined || row.command.includes(part))
  );
}

/** Every page from an end to the other, by the ids that the links would name. */
async function walk(filter: CommandFilter, order: 'asc' | 'desc', limit: number): Promise<number[]> {
  const ids: number[] = [];
  for (let edge: number | null = null; ; ) {
    const beyond = order === 'asc' ? { after: edge, before: null } : { after: null, before: edge };
    const page = await pages.page({ filter, order, limit, ...beyond });
    ids.push(...page.ids);
    if (!page.hasNext) return ids;
    edge = page.lookedTo ?? page.ids.at(-1) ?? null;
    if (edge === null) throw new Error('a page that goes on does not say from where');
  }
}

test('pages are all that matches and no more, whatever is asked for', async () => {
  const cases = fc.asyncProperty(
    filters,
    fc.boolean(),
    fc.integer({ min: 1, max: 1000 }),
    async (filter, upwards, limit) => {
      const expected = all.filter((row) => matches(row, filter)).map(({ id }) => id);
      if (!upwards) expected.reverse();
      // A wrong clock's commands may be missed by time, and no others.
      const told = new Set(filter.since || filter.until ? expected.filter((id) => id % 500 === 1) : []);
      const without = (ids: number[]) => ids.filter((id) => !told.has(id));
      const found = await walk(filter, upwards ? 'asc' : 'desc', Math.max(limit, Math.ceil(expected.length / 20)));
      expect(without(found)).toEqual(without(expected));
    },
  );
  await fc.assert(cases, { numRuns: 150 });
});
