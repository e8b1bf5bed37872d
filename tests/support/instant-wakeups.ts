import type { WireCommand } from '../../lib/command.ts';
import type { Web } from './installation.ts';
import { waitFor } from './process.ts';
import { timed } from './timed.ts';

/** A look at the queue comes every half second, so that a command is found by one after 250 ms on average. */
export const instantMs = 180;

/** Runs a command to its end and answers how many milliseconds that took. */
export async function runInSync(web: Web): Promise<number> {
  const { result, ms } = await timed(web.post('/commands', { cmd: 'apps:list', sync: 'true' }));
  const { state } = (await result.json()) as WireCommand;
  if (state !== 'succeeded') throw new Error(`the command became ${state}`);
  return ms;
}

/**
 * Waits until of ten commands in a row on an idle server eight are each run and answered too fast to have been found by
 * a look in place of a word from Redis: by chance that comes once in some six hundred times.
 */
export async function instantWakeups(web: Web, timeout = 20_000): Promise<void> {
  const taken: number[] = [];
  await waitFor(
    async () => {
      taken.push(await runInSync(web));
      return taken.slice(-10).filter((ms) => ms < instantMs).length >= 8;
    },
    { timeout, describe: () => `wake-ups to be instant; milliseconds taken: ${taken.map(Math.round).join(' ')}` },
  );
}
