import { pause } from '../../worker/backoff.ts';
import type { Random } from './random.ts';
import type { Site } from './site.ts';

/**
 * The wall clock of one process is an hour ahead or behind for a while. That explains nothing that is lost, late or taken
 * over, so the fault names no process.
 */
export async function stepClock(site: Site, random: Random, over: AbortSignal): Promise<void> {
  const struck = random.pick([...site.webs, ...site.workers]).current;
  const hours = random.pick([1, -1] as const);
  const steppedMs = random.between(500, 5000);
  if (!struck?.ready) return;
  await site.strike({ kind: `${struck.record.role} clock ${hours > 0 ? 'ahead' : 'behind'}` }, async () => {
    struck.stepClock(hours);
    await pause(steppedMs, over);
    struck.stepClock(hours === 1 ? -1 : 1);
  });
}
