/**
 * Measures how costs grow, and draws a picture of each growth, with its figures as JSON beside it.
 *
 *   npm run -s bench:growth [-- --only queue,rows,waiters,servers --rows 10000000 --passes 3 --folder tests/bench/growth]
 */
import { writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startGround } from './ground.ts';
import { queueGrowth } from './growth/queue.ts';
import { rowsGrowth } from './growth/rows.ts';
import { serversGrowth } from './growth/servers.ts';
import { waitersGrowth } from './growth/waiters.ts';
import { drawPlots } from './plot.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: 'queue,rows,waiters,servers' },
    rows: { type: 'string', default: '1000000' },
    passes: { type: 'string', default: '3' },
    folder: { type: 'string', default: 'tests/bench/growth' },
  },
});
const most = Number(values.rows);
if (!Number.isInteger(most) || most < 1000)
  throw new Error(`--rows takes a whole number from 1000, not ${values.rows}`);
const passes = Number(values.passes);
if (!Number.isInteger(passes) || passes < 1) throw new Error(`--passes takes a whole number, not ${values.passes}`);

const machine = `${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}`;
const ground = await startGround();
try {
  const growths = {
    queue: () => queueGrowth(ground, passes),
    rows: () => rowsGrowth(ground, passes, { most }),
    waiters: () => waitersGrowth(ground, passes),
    servers: () => serversGrowth(ground, passes),
  };
  for (const name of values.only.split(',')) {
    if (!(name in growths)) throw new Error(`--only takes some of ${Object.keys(growths)}; there is no ${name}`);
    const plots = await growths[name as keyof typeof growths]();
    const figures = { machine, passes, load: loadavg(), plots };
    const rounded = (_: string, value: unknown) => (typeof value === 'number' ? Number(value.toPrecision(4)) : value);
    writeFileSync(join(values.folder, `${name}.svg`), drawPlots(plots));
    writeFileSync(join(values.folder, `${name}.json`), `${JSON.stringify(figures, rounded, 2)}\n`);
    for (const { title, y, series } of plots) {
      process.stdout.write(`${title} (${y})\n`);
      for (const { name, points } of series) {
        const written = points.map(([x, value]) => `${x.toLocaleString('en')}: ${value.toPrecision(3)}`);
        process.stdout.write(`  ${name}: ${written.join(', ')}\n`);
      }
    }
  }
} finally {
  await ground.end();
}
