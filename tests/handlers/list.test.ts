import { get, type IncomingMessage } from 'node:http';
import { sql } from 'drizzle-orm';
import { beforeAll, describe, expect, test } from 'vitest';
import { createDatabase } from '../support/database.ts';
import { startProxy } from '../support/proxy.ts';
import { startTestRedis, type TestRedis } from '../support/redis.ts';
import { type ClientKey, startWeb, type Web } from './web.ts';

type Listed = { id: number; command: string; state: string; token: string };

let redis: TestRedis;
let web: Web;
let key: ClientKey;

/** Stores finished commands of the owner, one second apart from 2020 on, without a worker. */
async function store(
  to: Web,
  count: number,
  fields: { owner?: string; output?: string; server?: string } = {},
): Promise<void> {
  const { owner = 'default', output = 'done', server = 'default' } = fields;
  await to.deps.database.execute(sql`insert into dokku_api.commands
    (token, server, command, state, ok, output, timeout_seconds, created_at, ran_at, key_id, created_by, owner)
    select md5(random()::text) || md5(random()::text), ${server}, 'apps:list ' || ordinal, 'succeeded', true, ${output}, 600,
      timestamptz '2020-01-01 00:00:00+00' + ordinal * interval '1 second', now(), 1, 'key_test', ${owner}
    from generate_series(1, ${count}::int) ordinal order by ordinal`);
}

beforeAll(async () => {
  const [database, started] = await Promise.all([createDatabase(), startTestRedis()]);
  redis = started;
  web = await startWeb({ databaseUrl: database.url, redisUrl: redis.url, settings: { RATE_LIMIT: '100000' } });
  key = await web.key();
  await store(web, 25);
  await store(web, 5, { owner: 'other', server: 'eu' });
});

async function list(
  query: string,
  as = key,
): Promise<{ status: number; ids: number[]; link: string | null; body: Listed[] }> {
  const response = await fetch(`${web.url}/commands${query}`, { headers: as.headers });
  const body = (await response.json()) as Listed[];
  return {
    status: response.status,
    ids: Array.isArray(body) ? body.map(({ id }) => id) : [],
    link: response.headers.get('link'),
    body,
  };
}

const range = (from: number, to: number) =>
  Array.from({ length: Math.abs(to - from) + 1 }, (_, at) => (from < to ? from + at : from - at));

describe('the whole list', () => {
  test('has every command of the owner, and of everybody for an admin, ascending', async () => {
    expect((await list('')).ids).toEqual(range(1, 25));
    expect((await list('?unknown=1')).ids).toEqual(range(1, 25));
    expect((await list('', await web.key({ role: 'admin', owner: 'ops' }))).ids).toEqual(range(1, 30));
    expect((await list('', await web.key({ owner: 'nobody' }))).body).toEqual([]);
  });
});

describe('a page', () => {
  test('is found from page to page, forth and back, in both orders, without a gap', async () => {
    const follow = async (start: string, relation: 'next' | 'prev'): Promise<number[][]> => {
      const pages: number[][] = [];
      for (let query: string | undefined = start; query !== undefined && pages.length < 10; ) {
        const { ids, link } = await list(query);
        pages.push(ids);
        query = new RegExp(`</commands(\\?[^>]*)>; rel="${relation}"`).exec(link ?? '')?.[1];
      }
      return pages;
    };
    expect(await follow('?limit=10', 'next')).toEqual([range(1, 10), range(11, 20), range(21, 25)]);
    expect(await follow('?limit=10&after=20', 'prev')).toEqual([range(21, 25), range(11, 20), range(1, 10)]);
    expect(await follow('?limit=10&order=desc', 'next')).toEqual([range(25, 16), range(15, 6), range(5, 1)]);
    expect(await follow('?limit=10&order=desc&before=6', 'prev')).toEqual([range(5, 1), range(15, 6), range(25, 16)]);
    expect(await follow('?limit=3&after=4&before=10', 'next')).toEqual([
      [5, 6, 7],
      [8, 9],
    ]);
    expect(await follow('?limit=3&after=4&before=10&order=desc', 'next')).toEqual([
      [9, 8, 7],
      [6, 5],
    ]);
    expect(await follow('?limit=20&q=apps&state=succeeded&since=2020-01-01T00:00:00%2B00:00', 'next')).toEqual([
      range(1, 20),
      range(21, 25),
    ]);
  });

  test('names no neighbours that are not there', async () => {
    expect((await list('?limit=25')).link).toBeNull();
    expect((await list('?limit=24')).link).toBe('</commands?limit=24&after=24>; rel="next"');
    expect((await list('?after=25')).link).toBe('</commands?before=26>; rel="prev"');
    expect((await list('?before=1')).link).toBe('</commands?after=0>; rel="next"');
    expect(await list('?after=900000000000000')).toMatchObject({ status: 200, ids: [] });
    expect((await list('?state=queued')).link).toBeNull();
  });

  test('has 100 commands where its length is not said, and only what every filter lets through', async () => {
    expect((await list('?order=asc')).ids).toEqual(range(1, 25));
    expect((await list('?server=eu')).ids).toEqual([]);
    expect((await list('?server=eu', await web.key({ role: 'admin' }))).ids).toEqual(range(26, 30));
    expect((await list('?state=failed')).ids).toEqual([]);
    expect((await list('?q=list%2021')).ids).toEqual([21]);
    expect((await list('?q=LIST')).ids).toEqual([]);
    expect((await list('?q=%25')).ids).toEqual([]);
    expect((await list('?q=_')).ids).toEqual([]);
    expect((await list('?q=%5C')).ids).toEqual([]);
    expect((await list('?since=2020-01-01T00:00:24Z')).ids).toEqual([24, 25]);
    expect((await list('?until=2020-01-01T00:00:03Z')).ids).toEqual([1, 2]);
    expect((await list('?since=2020-01-01T02:00:05+02:00&until=2020-01-01T00:00:07.5Z')).ids).toEqual([5, 6, 7]);
    expect((await list('?since=2020-01-01T00:00:25%2B00:00&until=2020-01-02')).ids).toEqual([25]);
    expect((await list('?since=2020-01-01T00:00-0100')).ids).toEqual([]);
  });

  test.each([
    'limit=0',
    'limit=1001',
    'limit=x',
    'limit=',
    'limit=1&limit=2',
    'after=-1',
    'after=1e3',
    'before=99999999999999999999',
    'order=up',
    'state=done',
    'state=queued&state=running',
    'server=EU',
    'server=',
    'since=yesterday',
    'since=2020-02-30',
    'since=2020-01-01T25:00:00Z',
    'since=2020-01-01T00:00:00%2B99:00',
    'until=',
    'q=',
    'q=%00',
    `q=${'x'.repeat(1001)}`,
    'limit[]=1&limit=2',
    'q=%FF',
  ])('with %.40s is 400', async (query) => {
    const { status, body } = await list(`?${query}`);
    if (query.startsWith('limit[]')) return expect(status).toBe(200);
    expect([status, (body as unknown as { code: string }).code]).toEqual([400, 'bad_query']);
  });
});

/** Opens the whole list and reads nothing of it yet. */
async function open(from: Web, as: ClientKey): Promise<IncomingMessage> {
  return await new Promise((resolve, reject) => {
    get(`${from.url}/commands`, { headers: as.headers }, resolve).once('error', reject);
  });
}

describe('a list that is larger than memory should hold', () => {
  let large: Web;
  let reader: ClientKey;

  beforeAll(async () => {
    const database = await createDatabase();
    large = await startWeb({ databaseUrl: database.url, redisUrl: redis.url });
    reader = await large.key();
    await store(large, 600, { output: 'x'.repeat(100_000) });
  });

  test('is read from the database only as fast as the client reads', async () => {
    const reads: number[] = [];
    const upTo = large.deps.pages.upTo;
    large.deps.pages.upTo = async function* counted(...given) {
      for await (const rows of upTo(...given)) {
        reads.push(rows.length);
        yield rows;
      }
    };
    const response = await open(large, reader);
    const iterator = response.iterator({ destroyOnReturn: false });
    expect((await iterator.next()).value?.toString()[0]).toBe('[');
    let before = -1;
    const isStill = () => {
      const still = before === reads.length;
      before = reads.length;
      return still;
    };
    await expect.poll(isStill, { interval: 200 }).toBe(true);
    // 60 MB in all; what the sockets hold is a fraction.
    expect(reads.length).toBeLessThan(20);
    expect(Math.max(...reads)).toBeLessThanOrEqual(11);

    let length = 1;
    for await (const chunk of response) length += (chunk as Buffer).length;
    expect(length).toBeGreaterThan(60_000_000);
    expect(reads.reduce((sum, count) => sum + count, 0)).toBe(600);
    large.deps.pages.upTo = upTo;
  });

  test('ends with the client, and holds no transaction meanwhile', async () => {
    const response = await open(large, reader);
    response.destroy();
    const busy = async () => {
      const { rows } = await large.deps.database.execute<{ count: number }>(
        sql`select count(*)::int as count from pg_stat_activity where datname = current_database() and state like '%in transaction%'`,
      );
      return rows[0]?.count;
    };
    expect(await busy()).toBe(0);
    await expect.poll(() => large.log.some((line) => line.route === '/commands' && line.aborted === true)).toBe(true);
  });

  test('leaves out what was accepted after it began', async () => {
    const response = await open(large, reader);
    await fetch(`${large.url}/commands`, {
      method: 'POST',
      headers: reader.headers,
      body: new URLSearchParams({ cmd: 'late:command' }),
    });
    let tail = '';
    for await (const chunk of response) tail = (tail + (chunk as Buffer).toString('latin1')).slice(-2000);
    expect(tail).not.toContain('late:command');
    expect(tail.endsWith(']')).toBe(true);
  });

  test('is cut, and does not end as if it were whole, where the database goes away', async () => {
    const database = await createDatabase();
    const proxy = await startProxy({ target: database.url });
    const cut = await startWeb({ databaseUrl: proxy.url(database.url), redisUrl: redis.url });
    const as = await cut.key();
    await store(cut, 300, { output: 'x'.repeat(100_000) });
    const response = await open(cut, as);
    proxy.refuse();
    proxy.cut();
    await expect(async () => {
      for await (const chunk of response) expect(chunk).toBeDefined();
    }).rejects.toThrow('aborted');
    await proxy.allow();
    await cut.stop();
  });
});
