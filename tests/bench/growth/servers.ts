/** How much one web and one worker get through with more servers, and what processor time a command then takes. */
import type { Ground } from '../ground.ts';
import { type Installation, startInstallation } from '../installation.ts';
import { untilStored } from '../measures/runs.ts';
import type { Plot } from '../plot.ts';
import { processorSeconds } from '../process-usage.ts';
import { timed } from '../statistics.ts';
import { Readings } from './readings.ts';

const counts = [1, 2, 5, 10, 20, 50, 100, 200];

export async function serversGrowth(ground: Ground, passes: number): Promise<Plot[]> {
  const [rates, costs] = [new Readings(), new Readings()];
  for (let pass = 0; pass < passes; pass++) {
    for (const servers of counts) {
      const installation = await startInstallation(ground, { servers });
      try {
        // The first one warms up.
        await runAll(installation);
        const { rate, web, worker } = await runAll(installation);
        rates.add('one web and one worker', servers, rate);
        costs.add('web', servers, web);
        costs.add('worker', servers, worker);
      } finally {
        await installation.end();
      }
    }
  }
  return [
    {
      ...{ title: 'Commands a second over all servers', x: 'servers' },
      ...{ y: 'commands/s', logarithmic: false, series: rates.best('most') },
    },
    {
      ...{ title: 'Processor time of a command', x: 'servers', y: 'milliseconds of a core' },
      ...{ logarithmic: false, series: costs.best('least') },
    },
  ];
}

/** Commands on all servers, enough for some seconds: how many a second, and the milliseconds of processor of each. */
async function runAll(installation: Installation): Promise<{ rate: number; web: number; worker: number }> {
  const names = [...installation.sockets.keys()];
  const queued = Math.min(200 * names.length, 3000);
  const used = () => [installation.web, ...installation.workers].map(({ pid }) => processorSeconds(pid));
  const before = used();
  const posts = Array.from({ length: queued }, (_, index) => async () => {
    await installation.post({ cmd: 'apps:list', server: names[index % names.length] ?? '' });
  });
  const began = performance.now();
  await timed(posts, 32);
  await untilStored(installation);
  const seconds = (performance.now() - began) / 1000;
  const [web = 0, worker = 0] = used().map((after, index) => (1000 * (after - (before[index] ?? 0))) / queued);
  return { rate: queued / seconds, web, worker };
}
