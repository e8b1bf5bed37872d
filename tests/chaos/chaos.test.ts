/** A short run with a fixed seed; `npm run test:chaos` makes long ones of other seeds. */
import { beforeAll, expect, test } from 'vitest';
import { describeOutcome } from './report.ts';
import { runChaos } from './run.ts';
import { type Services, startServices } from './services.ts';

const { CHAOS_SEED = '7', CHAOS_SECONDS = '10' } = process.env;
const [seed, seconds] = [Number(CHAOS_SEED), Number(CHAOS_SECONDS)];

let services: Services;

beforeAll(async () => {
  services = await startServices();
  return services.stop;
});

test(
  'nothing lost, nothing sent twice, under every fault',
  async () => {
    const outcome = await runChaos({ services, seed, seconds });
    const report = describeOutcome(seed, seconds, outcome);
    process.stdout.write(report);
    expect(outcome.findings, report).toEqual([]);
    expect(outcome.counts.sent).toBeGreaterThan(seconds);
    const { worker_kills, worker_kills_with_queue } = outcome.counts;
    expect(worker_kills).toBeGreaterThan(seconds / 4);
    expect(worker_kills - worker_kills_with_queue).toBeLessThanOrEqual(Math.max(1, 0.1 * worker_kills));
  },
  (seconds + 240) * 1000,
);
