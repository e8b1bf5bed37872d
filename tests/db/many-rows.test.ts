/** What is read for an answer is bounded at a million rows. Rows and pages are counted, since times depend on the machine. */
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCommandChanges } from '../../db/command-changes.ts';
import { type CommandPages, createCommandPages, type PageRequest } from '../../db/command-pages.ts';
import type { CommandFilter } from '../../db/command-search.ts';
import { createCommands } from '../../db/commands.ts';
import { createDeliveries } from '../../db/deliveries.ts';
import { createIdempotency } from '../../db/idempotency.ts';
import { createLeases, type LeaseClaim } from '../../db/leases.ts';
import type { CommandRow } from '../../db/schema.ts';
import { createServerStatuses } from '../../db/server-status.ts';
import { createDatabase } from '../support/database.ts';
import { type ExplainedDatabase, explainedDatabase, type Statement } from './explained-database.ts';
import {
  acceptedAt,
  addLongQueue,
  busyHost,
  fillWithManyRows,
  finalCommands,
  queuedCommands,
  rareWord,
} from './many-rows.ts';

let explained: ExplainedDatabase;
let pages: CommandPages;
let url: string;

beforeAll(async () => {
  ({ url } = await createDatabase());
  await fillWithManyRows(url);
  explained = explainedDatabase(url);
  pages = createCommandPages(explained.database);
}, 180_000);
afterAll(async () => await explained.end());

const total = (statements: readonly Statement[]) => ({
  rows: statements.reduce((sum, { rows }) => sum + rows, 0),
  pages: statements.reduce((sum, { pages: read }) => sum + read, 0),
  indexes: new Set(statements.flatMap(({ indexes }) => indexes)),
  scanned: statements.flatMap(({ scanned }) => scanned),
});

/** Runs the work and asserts what was read for it. */
async function expectBounded(work: () => Promise<unknown>, bound: { index?: string; rows: number; pages: number }) {
  const read = total(await explained.statementsOf(work));
  if (bound.index !== undefined) expect(read.indexes).toContain(bound.index);
  expect(read.scanned.filter((table) => table !== 'workers' && table !== 'leases')).toEqual([]);
  expect(read.rows).toBeLessThanOrEqual(bound.rows);
  expect(read.pages).toBeLessThanOrEqual(bound.pages);
}

const pageOf = (filter: Partial<CommandFilter>, request: Partial<PageRequest>) =>
  pages.page({ filter: { owner: null, ...filter }, limit: 100, order: 'asc', after: null, before: null, ...request });

const farEnd = finalCommands - 200;

test.each<[string, string, Partial<CommandFilter>, Partial<PageRequest>]>([
  ['without a filter, at the start', 'commands_pkey', {}, {}],
  ['without a filter, at the far end', 'commands_pkey', {}, { after: farEnd }],
  ['of an owner of many', 'commands_owner', { owner: 'team' }, { after: farEnd - 1000 }],
  ['of an owner of few', 'commands_owner', { owner: 'rare' }, { order: 'desc' }],
  ['of a common state', 'commands_state', { state: 'failed' }, { after: farEnd - 2000 }],
  ['of a state that is all at the other end', 'commands_state', { state: 'lost' }, { order: 'desc' }],
  ['of that state and an owner', 'commands_state', { state: 'lost', owner: 'team' }, { order: 'desc' }],
  ['of a state that none is in', 'commands_state', { state: 'canceled', owner: 'default' }, {}],
  ['of a server of few', 'commands_server', { server: 'us' }, { order: 'desc' }],
  ['of a server of few, and an owner of none of them', 'commands_server', { server: 'us', owner: 'default' }, {}],
  ['of a server that is not there', 'commands_server', { server: 'gone' }, {}],
  ['since late', 'commands_created_at', { since: acceptedAt(farEnd) }, {}],
  ['since late, of an owner', 'commands_created_at', { since: acceptedAt(farEnd - 20_000), owner: 'rare' }, {}],
  ['until early, the last first', 'commands_created_at', { until: acceptedAt(10_000) }, { order: 'desc' }],
  [
    'between two times, of a state and an owner',
    'commands_created_at',
    { since: acceptedAt(500_000), until: acceptedAt(510_000), state: 'failed', owner: 'team' },
    { order: 'desc' },
  ],
  ['with a rare word', 'commands_text', { text: rareWord }, {}],
  ['with a rare word, of an owner', 'commands_text', { text: rareWord, owner: 'default' }, { order: 'desc' }],
  ['with a word that is nowhere', 'commands_text', { text: 'haystack' }, {}],
  ['with a common word, at the far end', 'commands_pkey', { text: 'app' }, { after: farEnd }],
  ['with two characters that are common', 'commands_pkey', { text: 'ps' }, { after: farEnd }],
])('a page %s', async (_, index, filter, request) => {
  await expectBounded(() => pageOf(filter, request), { index, rows: 4000, pages: 4000 });
});

test('a page with one of a thousand names is bounded, whichever index the statistics favour', async () => {
  await expectBounded(() => pageOf({ text: 'app-996' }, { order: 'desc' }), { rows: 400_000, pages: 10_000 });
});

test('a search for two characters, which no index finds, looks at a bounded part and goes on behind it', async () => {
  const looksFor = (after: number | null) => pageOf({ text: 'zq' }, { after });
  await expectBounded(() => looksFor(null), { index: 'commands_pkey', rows: 400_000, pages: 10_000 });
  const ends = [];
  for (let page = await looksFor(null); ; page = await looksFor(page.lookedTo)) {
    ends.push(page.lookedTo);
    expect(page.hasNext).toBe(page.lookedTo !== null);
    if (page.lookedTo === null) break;
  }
  expect(ends).toEqual([200_000, 400_000, 600_000, 800_000, 1_000_000, null]);
});

test('the whole list begins with few rows, for an owner of few too', async () => {
  await expectBounded(() => pages.highestId('rare'), { index: 'commands_owner', rows: 1, pages: 50 });
  for (const owner of ['default', 'rare', null]) {
    const list = pages.upTo(owner, finalCommands);
    // Beside the first batch the second is read ahead.
    await expectBounded(async () => [await list.next(), await list.next()], {
      index: owner === 'rare' ? 'commands_owner' : 'commands_pkey',
      rows: 1500,
      pages: 1500,
    });
  }
});

test('commands are read by their ids, a thousand of them in few statements', async () => {
  const ids = Array.from({ length: 1000 }, (_, at) => 1 + ((at * 7919) % finalCommands));
  // From the sixth on Postgres may choose a plan that is made once for all values.
  for (const order of ['asc', 'desc', 'asc'] as const) {
    const seen: number[] = [];
    const statements = await explained.statementsOf(async () => {
      for await (const rows of pages.withIds(ids, order)) seen.push(...rows.map(({ id }) => id));
    });
    expect(seen).toEqual([...ids].sort((a, b) => (order === 'asc' ? a - b : b - a)));
    // Hundreds of rows each, or fewer where outputs are long.
    expect(statements.length).toBeLessThanOrEqual(20);
    const { indexes, rows, scanned } = total(statements);
    expect(indexes).toContain('commands_pkey');
    expect(scanned).toEqual([]);
    expect(rows).toBeLessThanOrEqual(10 * 1000);
  }
});

test('commands are looked up by their tokens, alone and together', async () => {
  const { findByToken } = createCommands(explained.database);
  const rows: CommandRow[] = [];
  for await (const batch of pages.withIds([1, 1000, farEnd], 'asc')) rows.push(...batch);
  const tokens = rows.map(({ token }) => token);
  expect(tokens).toHaveLength(3);
  for (let time = 0; time < 7; time++) {
    await expectBounded(() => findByToken(tokens[2] ?? ''), { index: 'commands_token', rows: 2, pages: 8 });
    // Two look-ups go alone, the third one comes while they are under way, and so does a fourth.
    const together = async () =>
      expect(await Promise.all([...tokens, tokens[0] ?? ''].map(findByToken))).toMatchObject([...rows, rows[0]]);
    await expectBounded(together, { index: 'commands_token', rows: 8, pages: 32 });
  }
});

test('changes are read from where a stream resumes, those of one owner too', async () => {
  const changes = createCommandChanges(explained.database);
  const now = await changes.horizon();
  const sweep = (changedIn: string, owner: string | null) => () => changes.sweep({ changedIn, id: 0 }, owner, 200);
  await expectBounded(sweep(now, null), { index: 'commands_changed_in', rows: 1, pages: 20 });
  await expectBounded(sweep('0', null), { index: 'commands_changed_in', rows: 400, pages: 400 });
  await expectBounded(sweep('0', 'rare'), { index: 'commands_owner', rows: 2000, pages: 2000 });
});

test('due callbacks are taken without a look at the others, though most are of a host that is busy', async () => {
  const { takeDue } = createDeliveries(explained.database);
  for (const busy of [[], [busyHost]]) {
    await expectBounded(() => takeDue(64, 4, busy), { index: 'deliveries_due', rows: 2000, pages: 4000 });
  }
});

test('Idempotency-Keys are found and forgotten', async () => {
  const idempotency = createIdempotency(explained.database);
  const request = { keyId: 1, idempotencyKey: 'request 5', fingerprint: Buffer.from([0]) };
  await expectBounded(() => idempotency.find(request), { index: 'idempotency_keys_pkey', rows: 1, pages: 50 });
  const bound = { index: 'idempotency_keys_created_at', rows: 3000, pages: 4000 };
  await expectBounded(() => idempotency.deleteExpired(), bound);
});

test('what is past its retention is found by its age, whether it is much or nothing', async () => {
  const { deleteExpired } = createCommands(explained.database);
  await expectBounded(() => deleteExpired(36_500, 500), { index: 'commands_created_at', rows: 10, pages: 200 });
  await expectBounded(() => deleteExpired(1, 500), { index: 'commands_created_at', rows: 3000, pages: 20_000 });
});

describe('with a long queue', () => {
  let lease: LeaseClaim;

  beforeAll(async () => {
    await addLongQueue(url);
    const leases = createLeases(explained.database);
    await leases.register({ id: 'first', servers: ['default', 'eu', 'us'], host: 'here', version: '1.0.0' });
    const [seen] = (await leases.observe(['default'])).leases;
    const taken = seen && (await leases.take('first', seen));
    if (!taken) throw new Error('the lease was not taken');
    lease = taken;
  });

  test('a claim reads the head of the queue, and the end of a run its own row', async () => {
    const commands = createCommands(explained.database);
    const finish = { kind: 'reply', ok: true, output: 'done', truncated: false, durationMs: 1 } as const;
    // From the sixth on Postgres may choose a plan that is made once for all values.
    for (let run = 0; run < 12; run++) {
      let id = 0;
      await expectBounded(async () => (id = (await commands.claim(lease))?.id ?? 0), {
        index: 'commands_queued',
        rows: 5,
        pages: 100,
      });
      expect(id).toBe(finalCommands + 1 + run);
      await expectBounded(() => commands.finish(id, lease, finish), { rows: 2, pages: 200 });
    }
  });

  test('the statements of a run are planned once, not for each command', async () => {
    const { claim, finish, finishAndClaim } = createCommands(explained.database);
    const reply = { kind: 'reply', ok: true, output: 'done', truncated: false, durationMs: 1 } as const;
    for (let run = 0; run < 12; run++) {
      const claimed = await claim(lease);
      const next = claimed && (await finishAndClaim(claimed.id, lease, reply))?.next;
      if (!next) throw new Error(`run ${run} had nothing to claim`);
      await finish(next.id, lease, reply);
    }
    const { rows } = await explained.database.execute(sql`
      select name, custom_plans::int as planned from pg_prepared_statements
      where name in ('claim_command', 'finish_command_and_claim') order by name`);
    // The first five, before Postgres compares.
    expect(rows).toEqual([
      { name: 'claim_command', planned: 5 },
      { name: 'finish_command_and_claim', planned: 5 },
    ]);
  });

  test('waiting for a daemon is charged to the head of the queue', async () => {
    const { chargeWait } = createCommands(explained.database);
    await expectBounded(() => chargeWait(lease, 10, 60_000), { index: 'commands_queued', rows: 5, pages: 200 });
  });

  test('a worker’s look, and the list of servers with work, do not read the queue', async () => {
    const { observe } = createLeases(explained.database);
    await expectBounded(() => observe(['default', 'eu', 'us']), { index: 'commands_queued', rows: 30, pages: 200 });
    const { serversWithWork } = createCommands(explained.database);
    await expectBounded(() => serversWithWork(), { index: 'commands_queued', rows: 10, pages: 200 });
  });

  test('how the servers stand is told by counting the queue, and no more', async () => {
    const statuses = createServerStatuses(explained.database);
    await expectBounded(() => statuses.of(['default', 'eu', 'us'], 10), {
      index: 'commands_queued',
      rows: 2 * queuedCommands,
      pages: 30_000,
    });
  });

  test.each<[string, Partial<PageRequest>]>([
    ['the first', {}],
    ['the last', { order: 'desc' }],
  ])('a page of the queue, %s', async (_, request) => {
    await expectBounded(() => pageOf({ state: 'queued' }, request), { index: 'commands_state', rows: 500, pages: 500 });
  });

  test('a search reads the queue once, besides what its index finds', async () => {
    const bound = { rows: 2 * queuedCommands + 2000, pages: 30_000 };
    await expectBounded(() => pageOf({ text: rareWord }, {}), { index: 'commands_text', ...bound });
    await expectBounded(() => pageOf({ text: 'app' }, { after: farEnd }), { index: 'commands_pkey', ...bound });
  });
});
