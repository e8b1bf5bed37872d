/** What a million commands cost: the whole list, and pages of it. */
import { request } from 'undici';
import { fillWithManyRows, finalCommands, rareWord } from '../../db/many-rows.ts';
import type { Comparison, Measure, Row } from '../comparison.ts';
import { type Ground, query } from '../ground.ts';
import { type Installation, startInstallation } from '../installation.ts';
import { residentMemory } from '../process-usage.ts';
import { median, repeated, timed } from '../statistics.ts';

const everyColumn = 'COPY (SELECT * FROM dokku_api.commands ORDER BY id) TO STDOUT';
/** A page at the far end with each filter, and with one that few commands pass. */
const farEnd = {
  'without a filter': '',
  'of a state': '&state=failed',
  'of a server': '&server=eu',
  'since a time': '&since=2024-01-01T00:00:00Z',
  'until a time': '&until=2034-01-01T00:00:00Z',
};

export function manyRowsMeasures(ground: Ground): Measure[] {
  const withManyRows = async (measure: (installation: Installation) => Promise<Row[]>) => {
    const installation = await startInstallation(ground, { workers: 0 });
    try {
      // The rows' own key is not the measured one's, whose id is taken.
      await query(installation.databaseUrl, "update dokku_api.keys set public_id = 'key_bench'");
      await fillWithManyRows(installation.databaseUrl);
      // A process that has served requests for a while has the heap that they need.
      for (let page = 0; page < 1000; page++) await installation.get(`/commands?limit=100&after=${page * 900}`);
      return await measure(installation);
    } finally {
      await installation.end();
    }
  };

  const list = (rounds: number) =>
    withManyRows(async (installation) => {
      const before = residentMemory(installation.web.pid).now;
      const rate: Comparison = {
        ...{ measure: 'GET list of 1,000,000', unit: 'rows/s', against: 'COPY (SELECT …) TO STDOUT' },
        ...{ ours: [], theirs: [], bound: { atLeast: 0.25 } },
      };
      for (let round = 0; round < Math.min(rounds, 3); round++) {
        rate.ours.push(await rowsASecond(() => drainList(installation)));
        rate.theirs.push(await rowsASecond(() => query(installation.databaseUrl, everyColumn)));
      }
      const value = residentMemory(installation.web.pid).most - before;
      return [rate, { measure: 'GET list of 1,000,000: growth of memory', unit: 'MiB', value, bound: { atMost: 64 } }];
    });

  const pages = (rounds: number) =>
    withManyRows(async (installation) => {
      const time = async (path: string) =>
        median(
          await timed(
            repeated(() => installation.get(path), 10),
            1,
          ),
        );
      const rows: Comparison[] = Object.keys(farEnd).map((filter) => ({
        ...{ measure: `a page of 100 at the far end, ${filter}`, unit: 'ms', against: 'at the start' },
        ...{ ours: [], theirs: [], bound: { atMost: 1.5 } },
      }));
      const rare: number[] = [];
      for (let round = 0; round < rounds; round++) {
        for (const [index, filter] of Object.values(farEnd).entries()) {
          rows[index]?.ours.push(await time(`/commands?limit=100&after=${finalCommands - 20_000}${filter}`));
          rows[index]?.theirs.push(await time(`/commands?limit=100${filter}`));
        }
        rare.push(await time(`/commands?limit=100&q=${rareWord}`));
      }
      return [...rows, { measure: 'a page with a rare q', unit: 'ms', value: median(rare), bound: { atMost: 50 } }];
    });

  return [
    { name: 'list', run: list },
    { name: 'pages', run: pages },
  ];
}

async function rowsASecond(read: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await read();
  return finalCommands / ((performance.now() - began) / 1000);
}

/** @throws where the list is not whole */
async function drainList({ url, headers, agent }: Installation): Promise<void> {
  const answer = await request(`${url}/commands`, { dispatcher: agent, headers });
  let end = '';
  for await (const chunk of answer.body) end = (end + String(chunk)).slice(-2);
  if (answer.statusCode !== 200 || end !== '}]') throw new Error(`the list ended with ${end}`);
}
