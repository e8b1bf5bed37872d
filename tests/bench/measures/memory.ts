/**
 * Whether web and worker grow with the commands that they have seen. The first third warms them up; over the other two
 * their resident memory is read 200 times. Garbage makes it swing, and what a leak raises is its floor: the least of ten
 * neighbouring samples. A line is laid through these floors. "No slope" is: over all those commands the line rises by no
 * more than the memory swings anyway. Of a leak of 100 bytes a command it would rise by 19 MiB.
 */
import type { Comparison, Measure } from '../comparison.ts';
import { watchCounters } from '../counters.ts';
import type { Ground } from '../ground.ts';
import { startInstallation } from '../installation.ts';
import { residentMemory } from '../process-usage.ts';
import { fitLine, mean, quantile, timed } from '../statistics.ts';

const servers = 8;
const atOnce = 64;
const sampleCount = 200;
const samplesABlock = 10;
/** Student's: 95 % lie within so many standard errors, where a line goes through 20 floors. */
const studentsT = 2.1;

/** MiB of resident memory, of a process each. */
type MemorySample = { commands: number; web: number; worker: number };

/** @param options.commands how many are run; fewer than 300,000 end while the processes still warm up: a trial, no result */
export function memoryMeasures(ground: Ground, options: { commands: number }): Measure[] {
  const run = async () => {
    const samples = await memoryOverCommands(ground, options.commands);
    return (['web', 'worker'] as const).map((process) => {
      const { growth, uncertainty, swing } = growthOf(samples, process);
      const [from, to] = [growth - uncertainty, growth + uncertainty].map((number) => number.toFixed(1));
      const [first, last] = [samples[0], samples.at(-1)].map((sample) => sample?.commands.toLocaleString('en'));
      return {
        measure: `memory of ${process}, from ${first} to ${last} commands: growth (95 %: ${from} to ${to})`,
        ...{ unit: 'MiB', against: 'its swing', ours: [growth], theirs: [swing], bound: { atMost: 1 } },
      } satisfies Comparison;
    });
  };
  return [{ name: 'memory', run }];
}

/**
 * Runs commands as fast as one web and one worker can, each from POST to its stored result, which the POST waits for, on
 * daemons that answer at once.
 * @returns what both had resident, evenly over the last two thirds of the commands
 */
export async function memoryOverCommands(ground: Ground, commands: number): Promise<MemorySample[]> {
  const installation = await startInstallation(ground, { servers, daemon: { connectMs: 0, commandMs: 0 } });
  try {
    const [worker] = installation.workers;
    if (worker === undefined) throw new Error('there is no worker to look at');
    const names = [...installation.sockets.keys()];
    const assertCounted = await watchCounters(ground, installation);
    const step = (commands * 2) / 3 / (sampleCount - 1);
    const samples: MemorySample[] = [];
    let ended = 0;
    const run = async (index: number) => {
      const server = names[index % names.length] ?? '';
      const { state } = await installation.post({ cmd: `ps:report app-${index}`, server, sync: 'true' });
      if (state !== 'succeeded') throw new Error(`a command ended ${state}`);
      ended++;
      if (ended < Math.round(commands / 3 + samples.length * step)) return;
      const [web, own] = [installation.web, worker].map(({ pid }) => residentMemory(pid).now) as [number, number];
      samples.push({ commands: ended, web, worker: own });
    };
    await timed(tasks(commands, run), atOnce);
    await assertCounted(commands);
    return samples;
  } finally {
    await installation.end();
  }
}

function* tasks(count: number, run: (index: number) => Promise<void>) {
  for (let index = 0; index < count; index++) yield () => run(index);
}

/**
 * MiB over all samples: how much the line through the floors rises, give or take the uncertainty by 95 %, and how far
 * nine of ten samples lie apart beside that.
 */
function growthOf(samples: readonly MemorySample[], process: 'web' | 'worker') {
  const blocks = Array.from({ length: sampleCount / samplesABlock }, (_, index) =>
    samples.slice(index * samplesABlock, (index + 1) * samplesABlock),
  );
  const { slope, standardError } = fitLine(
    blocks.map((block) => [
      mean(block.map(({ commands }) => commands)),
      Math.min(...block.map((sample) => sample[process])),
    ]),
  );
  const range = (samples.at(-1)?.commands ?? 0) - (samples[0]?.commands ?? 0);
  const beside = samples.map((sample) => sample[process] - slope * sample.commands);
  return {
    growth: slope * range,
    uncertainty: studentsT * standardError * range,
    swing: quantile(beside, 0.95) - quantile(beside, 0.05),
  };
}
