import { pause } from '../../worker/backoff.ts';
import type { RunPhase } from '../../worker/context.ts';
import { monotonicMs } from './clock.ts';
import type { SelfSignal } from './orders.ts';
import type { RunningProcess } from './processes.ts';
import type { Random } from './random.ts';
import { leaseSeconds, type Site } from './site.ts';

export const phases: readonly RunPhase[] = ['claiming', 'claimed', 'sent', 'answered', 'stored'];
/** For so long a step is waited for; where all workers are held up, none passes. */
const orderMs = 4000;

/** `kill -9` of the next worker that passes a step. */
export async function killAtPhase(site: Site, phase: RunPhase, over: AbortSignal): Promise<void> {
  const struck = await strikeAt(site, phase, 'SIGKILL', over);
  if (struck === undefined) return;
  struck.markKilled();
  await struck.ended;
}

/** A worker is stopped at a step for twice the lease and more, and then goes on. */
export async function freezeAtPhase(site: Site, phase: RunPhase, random: Random, over: AbortSignal): Promise<void> {
  const frozenMs = leaseSeconds * 1000 * random.between(1.5, 2.5);
  const struck = await strikeAt(site, phase, 'SIGSTOP', over);
  if (struck === undefined) return;
  await site.strike({ kind: 'worker frozen', processes: [struck] }, async () => {
    await pause(frozenMs, over);
    struck.unfreeze();
  });
}

export async function killAtRandom(site: Site, random: Random): Promise<void> {
  const struck = random.pick(site.workers).current;
  if (struck === undefined) return;
  struck.kill();
  await struck.ended;
}

export async function freezeAtRandom(site: Site, random: Random, over: AbortSignal): Promise<void> {
  const struck = random.pick(site.workers).current;
  const frozenMs = leaseSeconds * 1000 * random.between(0.2, 2.5);
  await site.strike({ kind: 'worker frozen', processes: [struck] }, async () => {
    struck?.freeze();
    await pause(frozenMs, over);
    struck?.unfreeze();
  });
}

/** Orders the next worker at a step to strike itself down; undefined where nobody passed there in time. */
async function strikeAt(
  site: Site,
  phase: RunPhase,
  signal: SelfSignal,
  over: AbortSignal,
): Promise<RunningProcess | undefined> {
  const deadline = monotonicMs() + orderMs;
  site.orders.give(phase, signal);
  let number = site.orders.takenBy(phase, signal);
  while (number === null && !over.aborted && monotonicMs() < deadline) {
    await pause(10, over);
    number = site.orders.takenBy(phase, signal);
  }
  site.orders.withdraw(phase, signal);
  number ??= site.orders.takenBy(phase, signal);
  return site.started.find(({ record }) => record.process === number);
}
