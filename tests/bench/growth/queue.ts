/** What a command costs with many queued before and behind it; the daemons answer at once, so that what grows is ours. */
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Ground, query } from '../ground.ts';
import { type Installation, startInstallation } from '../installation.ts';
import type { Plot } from '../plot.ts';
import { median, repeated, timed } from '../statistics.ts';
import { Readings } from './readings.ts';

const lengths = [10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000];
/** So many are looked at as a queue goes on. */
const windowLength = 100;

export async function queueGrowth(ground: Ground, passes: number): Promise<Plot[]> {
  const path = join(ground.folder, 'silent.sock');
  // Takes connections and never answers: the queue behind its one running command stays as long as it is.
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => sockets.add(socket.on('error', () => socket.destroy()))).listen(path);
  const installation = await startInstallation(ground, {
    ...{ servers: 2, daemon: { connectMs: 0, commandMs: 0 }, otherDaemons: { silent: path } },
  });
  try {
    const [drained, elsewhere] = [...installation.sockets.keys()] as [string, string];
    const readings = new Readings();
    const post = async (fields: Record<string, string>, times: number) => {
      const one = () => installation.post({ cmd: 'apps:list', ...fields });
      return median(await timed(repeated(one, times), 1));
    };
    const postElsewhere = () => post({ server: elsewhere, sync: 'true' }, windowLength);
    // The one that runs before the silent daemon, while these warm up.
    await addQueued(installation, 'silent', 1);
    await postElsewhere();
    for (let pass = 0; pass < passes; pass++) {
      for (const length of lengths) {
        await addQueued(installation, 'silent', length);
        readings.add('sync=true on another server', length, await postElsewhere());
        const accepted = await post({ server: 'silent' }, Math.min(length, windowLength));
        readings.add('POST into the queue', length, accepted);
        await emptyQueue(installation, 'silent');
        const windows: number[] = [];
        for (let round = 0; round < Math.max(3, 100 / length); round++) {
          windows.push(await drain(installation, drained, length));
        }
        readings.add('run from the queue', length, median(windows));
      }
    }
    return [
      {
        ...{ title: 'A command, by how many are queued', x: 'commands queued', y: 'milliseconds, median' },
        ...{ logarithmic: false, series: readings.best('least') },
      },
    ];
  } finally {
    silent.close();
    // The worker would not end before the command that it waits for.
    for (const socket of sockets) socket.destroy();
    await installation.end();
  }
}

/** Milliseconds a command, from one stored end to the next, of the first ones of a queue. */
async function drain(installation: Installation, server: string, length: number): Promise<number> {
  const looked = Math.min(length, windowLength);
  const first = await addQueued(installation, server, length);
  const ended = `
    select count(*)::int as count, extract(epoch from max(ran_at) - min(ran_at))::float8 * 1000 as span from
      (select ran_at from dokku_api.commands where server = $1 and id >= $2 and ran_at is not null order by id limit $3) first`;
  const look = async () =>
    (await query<{ count: number; span: number }>(installation.databaseUrl, ended, [server, first, looked]))[0];
  let window = await look();
  while (window === undefined || window.count < looked) {
    await sleep(50);
    window = await look();
  }
  await emptyQueue(installation, server);
  return window.span / (looked - 1);
}

async function emptyQueue({ databaseUrl }: Installation, server: string): Promise<void> {
  await query(databaseUrl, "delete from dokku_api.commands where server = $1 and state = 'queued'", [server]);
  await query(databaseUrl, 'VACUUM dokku_api.commands');
}

/** Seen by the worker all at once, with what Postgres then knows about the table. Returns the first id. */
async function addQueued(installation: Installation, server: string, count: number): Promise<number> {
  const [row] = await query<{ first: number }>(
    installation.databaseUrl,
    `with added as (
       insert into dokku_api.commands (token, server, command, timeout_seconds, key_id, created_by, owner)
       select encode(sha256((random()::text || n)::bytea), 'hex'), $1, 'apps:list', 600, keys.id, keys.public_id, keys.owner
       from dokku_api.keys, generate_series(1, $2::int) n returning id)
     select coalesce(min(id), 0)::int as first from added`,
    [server, count],
  );
  await query(installation.databaseUrl, 'ANALYZE dokku_api.commands');
  return row?.first ?? 0;
}
