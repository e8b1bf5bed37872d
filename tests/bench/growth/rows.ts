/** What requests and a claim cost with many commands stored. */
import { createHash } from 'node:crypto';
import { connectDatabase } from '../../../db/client.ts';
import { createCommands } from '../../../db/commands.ts';
import { createLeases } from '../../../db/leases.ts';
import { fillBehindIndexes } from '../../db/many-rows.ts';
import { type Ground, query } from '../ground.ts';
import { startInstallation } from '../installation.ts';
import type { Plot } from '../plot.ts';
import { median, timed } from '../statistics.ts';
import { Readings } from './readings.ts';

const sizes = [1000, 10_000, 100_000, 1_000_000, 10_000_000];
const times = 300;
const server = 'default';

/** @param options.most sizes above it are left out; 10,000,000 take some ten minutes and 8 GB of disk */
export async function rowsGrowth(ground: Ground, passes: number, { most }: { most: number }): Promise<Plot[]> {
  const installation = await startInstallation(ground, { workers: 0 });
  const database = connectDatabase(installation.databaseUrl, {
    maximum: 1,
    onError: (error) => {
      throw error;
    },
  });
  try {
    const commands = createCommands(database);
    const leases = createLeases(database);
    await leases.register({ id: 'bench', servers: [server], host: 'bench', version: 'bench' });
    const lease = await leases.take('bench', { server, epoch: 0, beat: 0 });
    if (lease === null) throw new Error(`the lease of ${server} is not free`);
    const claimed: number[] = [];
    const claim = async () => {
      const began = performance.now();
      const row = await commands.claim(lease);
      claimed.push(performance.now() - began);
      if (row === null || (await commands.putBack(row)) === null) throw new Error('nothing was claimed, and put back');
    };
    const accept = async () => {
      await installation.post({ cmd: 'apps:list', server });
    };
    const readings = new Readings();
    let filled = 0;
    for (const size of sizes.filter((size) => size <= most)) {
      await fillBehindIndexes(installation.databaseUrl, [finalCommands(filled + 1, size)]);
      filled = size;
      const [end] = await query<{ id: string }>(
        installation.databaseUrl,
        'select id from dokku_api.commands order by id desc offset 100 limit 1',
      );
      const readOne = async (index: number) => {
        await installation.get(`/commands/${token(1 + ((index * 7919) % size))}`);
      };
      const work = {
        'POST accepted': accept,
        'GET one': readOne,
        'page at the start': () => installation.get('/commands?limit=100'),
        'page at the far end': () => installation.get(`/commands?limit=100&after=${end?.id}`),
        claim,
      };
      for (let pass = 0; pass < passes; pass++) {
        for (const [name, one] of Object.entries(work)) {
          const tasks = Array.from({ length: times }, (_, time) => () => one(time));
          // The first ones warm up: each connection has its statements to prepare, and Postgres pages to read.
          await timed(tasks.slice(0, 50), 1);
          claimed.length = 0;
          const requests = await timed(tasks, 1);
          readings.add(name, size, median(name === 'claim' ? claimed : requests));
        }
      }
      await query(installation.databaseUrl, "delete from dokku_api.commands where state = 'queued'");
    }
    return [
      {
        ...{ title: 'Requests and a claim, by how many commands are stored', x: 'commands stored' },
        ...{ y: 'milliseconds, median', logarithmic: false, series: readings.best('least') },
      },
    ];
  } finally {
    await database.$client.end();
    await installation.end();
  }
}

/** The token of the n-th: spread over the index as random ones are. */
const token = (n: number) => createHash('sha256').update(String(n)).digest('hex');

function finalCommands(from: number, to: number): string {
  return `
    insert into dokku_api.commands (token, server, command, state, ok, output, timeout_seconds, created_at, started_at,
      ran_at, duration_ms, key_id, created_by, owner, epoch)
    select encode(sha256(n::text::bytea), 'hex'), '${server}', 'ps:restart app-' || n % 997, 'succeeded', true, 'done', 600,
      at, at, at + interval '1 second', 1000, keys.id, keys.public_id, keys.owner, 1
    from dokku_api.keys, generate_series(${from}, ${to}) n
    cross join lateral (select timestamptz '2024-01-01T00:00:00Z' + n * interval '5 seconds' as at) made`;
}
