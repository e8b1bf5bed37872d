import { pause } from '../../worker/backoff.ts';
import { stepClock } from './clock-faults.ts';
import { daemonFaults } from './daemon-faults.ts';
import { killWeb, removeServer, replace } from './deploy-faults.ts';
import { postgresFaults } from './postgres-faults.ts';
import type { Random } from './random.ts';
import { redisFaults } from './redis-faults.ts';
import type { Site } from './site.ts';
import { freezeAtPhase, freezeAtRandom, killAtPhase, killAtRandom, phases } from './worker-faults.ts';

export type WeightedFault = readonly [weight: number, strike: () => Promise<void>];

/** A sequence of faults, one at a time, with pauses between them. Lanes strike beside each other. */
export type Lane = { name: string; gapMs: readonly [least: number, most: number]; next: () => Promise<void> };

/** Every lane of faults, each drawn from a source of its own. */
export function allLanes(site: Site, random: Random, over: AbortSignal): Lane[] {
  const drawn = (name: string, gapMs: Lane['gapMs'], faultsOf: (source: Random) => readonly WeightedFault[]): Lane => {
    const faults = faultsOf(random.fork(name));
    const order = random.fork(`order of ${name}`);
    return { name, gapMs, next: () => order.weighted(faults)() };
  };
  return [
    drawn('kills', [400, 1800], (source) => killFaults(site, source, over)),
    drawn('freezes', [2000, 5000], (source) => [
      [2, () => freezeAtPhase(site, source.pick(phases), source, over)],
      [1, () => freezeAtRandom(site, source, over)],
    ]),
    drawn('deploys', [3000, 9000], (source) => [
      [1, () => replace(site, source, 'workers')],
      [1, () => replace(site, source, 'webs')],
      [2, () => killWeb(site, source)],
    ]),
    drawn('servers', [4000, 15_000], (source) => [[1, () => removeServer(site, source, over)]]),
    drawn('clocks', [500, 5000], (source) => [[1, () => stepClock(site, source, over)]]),
    drawn('redis', [1000, 6000], (source) => redisFaults(site, source, over)),
    drawn('postgres', [1500, 6000], (source) => postgresFaults(site, source, over)),
    drawn('daemons', [1000, 3500], (source) => daemonFaults(site, source, over)),
  ];
}

/** Each step in turn, and now and then whatever a worker is at. */
function killFaults(site: Site, random: Random, over: AbortSignal): WeightedFault[] {
  let turn = random.whole(0, phases.length - 1);
  return [
    [4, () => killAtPhase(site, phases[turn++ % phases.length] ?? 'sent', over)],
    [1, () => killAtRandom(site, random)],
  ];
}

/**
 * Strikes in all lanes until it is over. Resolves when every fault has passed.
 * @throws what a fault threw that could not be made or undone, when the other lanes have ended too
 */
export async function strike(lanes: readonly Lane[], random: Random, over: AbortSignal): Promise<void> {
  const failed = new AbortController();
  const ending = AbortSignal.any([over, failed.signal]);
  const run = async ({ name, gapMs, next }: Lane) => {
    const gaps = random.fork(`gaps of ${name}`);
    for (;;) {
      await pause(gaps.between(...gapMs), ending);
      if (ending.aborted) return;
      await next();
    }
  };
  const running = lanes.map((lane) =>
    run(lane).catch((error: unknown) => {
      failed.abort();
      throw error;
    }),
  );
  await Promise.allSettled(running);
  await Promise.all(running);
}
