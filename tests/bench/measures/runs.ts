/** From POST to stored: how many commands a second, and how long each takes, against clients that only talk to the daemon. */
import { bareCommand, inTurns } from '../bare-client.ts';
import type { Comparison, Measure, Row } from '../comparison.ts';
import { watchCounters } from '../counters.ts';
import { type Ground, untilTrue } from '../ground.ts';
import { type Installation, type InstallationOptions, startInstallation } from '../installation.ts';
import { quantile, repeated, timed } from '../statistics.ts';

const command = 'apps:list';
/**
 * For so long commands run before those that count: until then the engine of JavaScript still compiles what they pass, and
 * a command takes up to twice the processor.
 */
const warmUpMs = 60_000;

type Turns = { ours: () => Promise<number[]>; theirs: () => Promise<number[]> };

export function runMeasures(ground: Ground): Measure[] {
  /** Warms up, and takes turns between this API and what it is held against, which each tell the figures of the rows. */
  const compare = async (
    options: InstallationOptions,
    rounds: number,
    rows: Comparison[],
    turnsOn: (installation: Installation) => Turns,
  ): Promise<Row[]> => {
    const installation = await startInstallation(ground, options);
    try {
      const { ours, theirs } = turnsOn(installation);
      for (const began = performance.now(); performance.now() - began < warmUpMs; ) await ours();
      await theirs();
      for (let round = 0; round < rounds; round++) {
        const figures = { ours: await ours(), theirs: await theirs() };
        for (const [index, row] of rows.entries()) {
          row.ours.push(figures.ours[index] ?? Number.NaN);
          row.theirs.push(figures.theirs[index] ?? Number.NaN);
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
    return await compare({ servers, workers }, rounds, [row], (installation) => {
      const names = [...installation.sockets.keys()];
      const posts = Array.from({ length: queued }, (_, index) => async () => {
        await installation.post({ cmd: command, server: names[index % names.length] ?? '' });
      });
      return {
        ours: async () => {
          const assertCounted = await watchCounters(ground, installation);
          const began = performance.now();
          await timed(posts, 32);
          await untilStored(installation);
          const rate = queued / seconds(began);
          await assertCounted(queued);
          return [rate];
        },
        theirs: async () => {
          const began = performance.now();
          await Promise.all(
            [...installation.sockets.values()].map((path) =>
              timed(
                repeated(() => bareCommand(path, command), queued / servers),
                1,
              ),
            ),
          );
          return [queued / seconds(began)];
        },
      };
    });
  };

  const latency = async (rounds: number) => {
    const row = (measure: string, atMost: number): Comparison => ({
      ...{ measure: `sync=true, one at a time: ${measure}`, unit: 'ms', against: 'a bare client' },
      ...{ ours: [], theirs: [], bound: { atMost } },
    });
    return await compare({}, rounds, [row('median', 1), row('99th percentile', 1.3)], (installation) => {
      const post = () => installation.post({ cmd: command, sync: 'true' });
      const bare = () => bareCommand(installation.sockets.get('default') ?? '', command);
      const figures = async (ask: () => Promise<unknown>) => {
        const durations = await timed(repeated(ask, 200), 1);
        return [quantile(durations, 0.5), quantile(durations, 0.99)];
      };
      return { ours: () => figures(post), theirs: () => figures(bare) };
    });
  };

  const crowd = async (rounds: number) => {
    const row: Comparison = {
      ...{ measure: 'sync=true, 100 callers over 20 servers: 99th percentile', unit: 'ms' },
      ...{ against: '100 bare clients taking turns', ours: [], theirs: [], bound: { atMost: 1.5 } },
    };
    return await compare({ servers: 20, workers: 3 }, rounds, [row], (installation) => {
      const names = [...installation.sockets.keys()];
      const turns = [...installation.sockets.values()].map(inTurns);
      const posts = Array.from({ length: 1000 }, (_, index) => async () => {
        await installation.post({ cmd: command, sync: 'true', server: names[index % names.length] ?? '' });
      });
      const bare = Array.from({ length: 1000 }, (_, index) => async () => {
        await turns[index % turns.length]?.(command);
      });
      const slowest = async (asked: (() => Promise<void>)[]) => [quantile(await timed(asked, 100), 0.99)];
      return { ours: () => slowest(posts), theirs: () => slowest(bare) };
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

/** Looks often enough to cost the result little, and seldom enough to cost the processor little. */
export async function untilStored(installation: Installation): Promise<void> {
  await untilTrue(
    installation.databaseUrl,
    "select not exists (select from dokku_api.commands where state in ('queued', 'running')) as is",
    10,
  );
}
