/** What the processes cost by themselves: idle, at their start, and over many commands. */
import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Comparison, Measure, Reading } from '../comparison.ts';
import { type Ground, query } from '../ground.ts';
import { startInstallation } from '../installation.ts';
import { processorSeconds } from '../process-usage.ts';
import { median } from '../statistics.ts';

const idleSeconds = 20;
/** For so long after their start the engine of JavaScript tidies up: idle are processes that have been for a while. */
const settlingSeconds = 20;

export function processMeasures(ground: Ground): Measure[] {
  const idle = async (): Promise<Reading[]> => {
    const installation = await startInstallation(ground, { workers: 1 });
    try {
      const pids = [installation.web, ...installation.workers].map(({ pid }) => pid);
      const used = () => pids.reduce((sum, pid) => sum + processorSeconds(pid), 0);
      const database = new URL(installation.databaseUrl);
      const name = database.pathname.slice(1);
      database.pathname = '/postgres';
      const transactions = async () => {
        const [row] = await query<{ count: string }>(
          database.href,
          'select xact_commit + xact_rollback as count from pg_stat_database where datname = $1',
          [name],
        );
        return Number(row?.count);
      };
      await sleep(settlingSeconds * 1000);
      const [usedBefore, before] = [used(), await transactions()];
      await sleep(idleSeconds * 1000);
      return [
        {
          ...{ measure: 'one idle web and worker: processor', unit: '% of a core' },
          ...{ value: (100 * (used() - usedBefore)) / idleSeconds, bound: { atMost: 1 } },
        },
        {
          ...{ measure: 'one idle web and worker: queries', unit: 'a second' },
          ...{ value: ((await transactions()) - before) / idleSeconds, bound: { atMost: 6 } },
        },
      ];
    } finally {
      await installation.end();
    }
  };

  const start = async (rounds: number) => {
    const row: Comparison = {
      ...{ measure: 'start to first accepted request', unit: 'ms', against: 'node -e 0' },
      ...{ ours: [], theirs: [], bound: { atMost: 6 } },
    };
    const installation = await startInstallation(ground, { workers: 0 });
    try {
      for (let round = 0; round < rounds; round++) {
        row.ours.push(await installation.restartWeb());
        row.theirs.push(median(Array.from({ length: 5 }, timeOfNode)));
      }
      return [row];
    } finally {
      await installation.end();
    }
  };

  return [
    { name: 'idle', run: idle },
    { name: 'start', run: start },
  ];
}

function timeOfNode(): number {
  const began = performance.now();
  spawnSync(process.execPath, ['-e', '0']);
  return performance.now() - began;
}
