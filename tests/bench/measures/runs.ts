/** From POST to stored: how many commands a second, and how long each takes, against clients that only talk to the daemon. */
import { bareCommand, inTurns } from '../bare-client.ts';
import type { Comparison, Measure, Row } from '../comparison.ts';
import { watchCounters } from '../counters.ts';
import { type Ground, untilTrue } from '../ground.ts';
import { type Installation, type InstallationOptions, startInstallation } from '../installation.ts';
import { quantile, repeated, timed } from '../statistics.ts';

const command = 'apps:list';
/** Turns before those that count: until then the engine of JavaScript still compiles what each command passes. */
const warmUps = 8;

export function runMeasures(ground: Ground): Measure[] {
  /** Warms up until turns differ little, and takes turns between this API and what it is held against. */
  const compare = async (
    options: InstallationOptions,
    rounds: number,
    rows: Comparison[],
    turn: (installation: Installation) => Promise<{ ours: number[]; theirs: number[] }>,
  ): Promise<Row[]> => {
    const installation = await startInstallation(ground, options);
    try {
      for (let time = 0; time < warmUps; time++) await turn(installation);
      for (let round = 0; round < rounds; round++) {
        const { ours, theirs } = await turn(installation);
        for (const [index, row] of rows.entries()) {
          row.ours.push(ours[index] ?? Number.NaN);
          row.theirs.push(theirs[index] ?? Number.NaN);
        }
      }
      return rows;
    } finally {
      await installation.end();
    }
  };

  const throughput = (servers: number, workers: number, queued: number) => async (rounds: number) => {
    const row: Comparison = {
      measure: `${servers === 1 ? 'one server' : `${servers} servers, ${workers} workers`}, ${queued} queued`,
      ...{ unit: 'commands/s', against: servers === 1 ? 'a bare client' : `${servers} bare clients` },
      ...{ ours: [], theirs: [], bound: { atLeast: servers === 1 ? 1.25 : 1 } },
    };
    return await compare({ servers, workers }, rounds, [row], async (installation) => {
      const names = [...installation.sockets.keys()];
      const assertCounted = await watchCounters(ground, installation);
      const posts = Array.from({ length: queued }, (_, index) => async () => {
        await installation.post({ cmd: command, server: names[index % names.length] ?? '' });
      });
      const began = performance.now();
      await timed(posts, 32);
      await untilStored(installation);
      const ours = queued / seconds(began);
      await assertCounted(queued);
      const bareBegan = performance.now();
      await Promise.all(
        [...installation.sockets.values()].map((path) =>
          timed(
            repeated(() => bareCommand(path, command), queued / servers),
            1,
          ),
        ),
      );
      return { ours: [ours], theirs: [queued / seconds(bareBegan)] };
    });
  };

  const latency = async (rounds: number) => {
    const row = (measure: string, atMost: number): Comparison => ({
      ...{ measure: `sync=true, one at a time: ${measure}`, unit: 'ms', against: 'a bare client' },
      ...{ ours: [], theirs: [], bound: { atMost } },
    });
    return await compare({}, rounds, [row('median', 1), row('99th percentile', 1.3)], async (installation) => {
      const post = () => installation.post({ cmd: command, sync: 'true' });
      const bare = () => bareCommand(installation.sockets.get('default') ?? '', command);
      return figures(await timed(repeated(post, 200), 1), await timed(repeated(bare, 200), 1));
    });
  };

  const crowd = async (rounds: number) => {
    const row: Comparison = {
      ...{ measure: 'sync=true, 100 callers over 20 servers: 99th percentile', unit: 'ms' },
      ...{ against: '100 bare clients taking turns', ours: [], theirs: [], bound: { atMost: 1.5 } },
    };
    return await compare({ servers: 20, workers: 3 }, rounds, [row], async (installation) => {
      const names = [...installation.sockets.keys()];
      const turns = [...installation.sockets.values()].map(inTurns);
      const posts = Array.from({ length: 1000 }, (_, index) => async () => {
        await installation.post({ cmd: command, sync: 'true', server: names[index % names.length] ?? '' });
      });
      const bare = Array.from({ length: 1000 }, (_, index) => async () => {
        await turns[index % turns.length]?.(command);
      });
      const [, ours] = figures(await timed(posts, 100), []).ours;
      const [, theirs] = figures([], await timed(bare, 100)).theirs;
      return { ours: [ours ?? Number.NaN], theirs: [theirs ?? Number.NaN] };
    });
  };

  return [
    { name: 'throughput', run: throughput(1, 1, 200) },
    { name: 'servers', run: throughput(20, 3, 2000) },
    { name: 'latency', run: latency },
    { name: 'crowd', run: crowd },
  ];
}

const seconds = (since: number) => (performance.now() - since) / 1000;

function figures(ours: number[], theirs: number[]) {
  const of = (numbers: number[]) => [quantile(numbers, 0.5), quantile(numbers, 0.99)];
  return { ours: of(ours), theirs: of(theirs) };
}

/** Looks often enough to cost the result little, and seldom enough to cost the processor little. */
export async function untilStored(installation: Installation): Promise<void> {
  await untilTrue(
    installation.databaseUrl,
    "select not exists (select from dokku_api.commands where state in ('queued', 'running')) as is",
    10,
  );
}
