/**
 * Measures everything, prints a table of ratios with their spread, and writes it as JSON.
 *
 *   npm run -s bench [-- --rounds 5 --only throughput,latency --commands 30000 --json bench.json]
 *
 * `--commands` is for `memory`, which with all of its commands takes about ten minutes.
 */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { describeBound, judge, type Row } from './comparison.ts';
import { type Ground, startGround } from './ground.ts';
import { callbackMeasures } from './measures/callbacks.ts';
import { manyRowsMeasures } from './measures/many-rows.ts';
import { memoryMeasures } from './measures/memory.ts';
import { processMeasures } from './measures/processes.ts';
import { requestMeasures } from './measures/requests.ts';
import { runMeasures } from './measures/runs.ts';
import { waitingMeasures } from './measures/waiting.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    only: { type: 'string' },
    commands: { type: 'string', default: '300000' },
    json: { type: 'string', default: 'bench.json' },
  },
});
const rounds = wholeNumber('--rounds', values.rounds);
const commands = wholeNumber('--commands', values.commands);

const ground = await startGround();
const rows: Row[] = [];
try {
  const measures = [
    runMeasures,
    requestMeasures,
    manyRowsMeasures,
    waitingMeasures,
    callbackMeasures,
    processMeasures,
    (measuredOn: Ground) => memoryMeasures(measuredOn, { commands }),
  ].flatMap((measuresOn) => measuresOn(ground));
  const names = values.only?.split(',') ?? measures.map(({ name }) => name);
  for (const name of names) {
    const measure = measures.find((known) => known.name === name);
    if (measure === undefined) {
      throw new Error(`--only takes some of ${measures.map((known) => known.name).join(', ')}; there is no ${name}`);
    }
    const measured = await measure.run(rounds);
    for (const row of measured) process.stdout.write(`${describeRow(row)}\n`);
    rows.push(...measured);
  }
} finally {
  await ground.end();
}

const machine = `${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}`;
writeFileSync(
  values.json,
  JSON.stringify({ machine, rounds, rows: rows.map((row) => ({ ...row, ...judge(row) })) }, null, 2),
);
process.exitCode = rows.every((row) => judge(row).holds) ? 0 : 1;

function wholeNumber(name: string, text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new Error(`${name} takes a whole number, not ${text}`);
  return number;
}

/** A line of a Markdown table. */
function describeRow(row: Row): string {
  const { figure, least, most, holds } = judge(row);
  const bound = `${describeBound(row.bound)} ${holds ? 'yes' : 'no'}`;
  if ('value' in row) return `| ${row.measure} | ${short(row.value)} ${row.unit} | | | ${bound} |`;
  const middle = (numbers: readonly number[]) =>
    short(numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN);
  return `| ${row.measure} | ${middle(row.ours)} ${row.unit} | ${row.against}: ${middle(row.theirs)} | ${short(figure)} (${short(least)}–${short(most)}) | ${bound} |`;
}

function short(number: number): string {
  return number >= 100 ? number.toFixed(0) : number.toPrecision(3);
}
