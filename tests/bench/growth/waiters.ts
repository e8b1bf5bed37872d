/** How soon waiters hear of an end that was stored, by how many wait in one web process. */
import type { Ground } from '../ground.ts';
import { startWaiting } from '../measures/waiting.ts';
import type { Plot } from '../plot.ts';
import { quantile } from '../statistics.ts';
import { Readings } from './readings.ts';

const counts = [1, 10, 30, 100, 300, 1000, 2000, 5000];

export async function waitersGrowth(ground: Ground, passes: number): Promise<Plot[]> {
  const waiting = await startWaiting(ground, Math.max(...counts));
  const readings = new Readings();
  try {
    // Warms up.
    await waiting.waitFor(200);
    for (let pass = 0; pass < passes; pass++) {
      for (const count of counts) {
        const times: number[] = [];
        for (let round = 0; round < Math.max(1, 200 / count); round++) times.push(...(await waiting.waitFor(count)));
        readings.add('99th percentile', count, quantile(times, 0.99));
        readings.add('median', count, quantile(times, 0.5));
      }
    }
    return [
      {
        ...{ title: 'From stored to answered, by how many wait', x: 'waiters in one web process' },
        ...{ y: 'milliseconds', logarithmic: true, series: readings.best('least') },
      },
    ];
  } finally {
    await waiting.end();
  }
}
