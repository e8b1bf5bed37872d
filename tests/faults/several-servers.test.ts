/** One server's daemon is stuck, each in its way; the same worker runs the others as if there were no other. */
import { beforeAll, expect, test } from 'vitest';
import { createInstallation, type Installation, type Web } from '../support/installation.ts';
import { waitFor } from '../support/process.ts';
import type { StandIn } from '../support/stand-in.ts';
import { timed } from '../support/timed.ts';

let installation: Installation;
let web: Web;

beforeAll(async () => {
  installation = await createInstallation({ servers: ['default', 'held', 'blocked', 'frozen', 'away'] });
  [web] = await Promise.all([installation.startWeb(), installation.startWorker()]);
});

const daemon = (name: string) => installation.daemons.get(name) as StandIn;

test('a daemon that holds its lock, is blocked, is frozen or is away never delays another', async () => {
  const run = async (count: number) => {
    const taken: number[] = [];
    for (let at = 0; at < count; at++) {
      const { result, ms } = await timed(web.post('/commands', { cmd: 'apps:list', sync: 'true' }));
      expect(await result.json()).toMatchObject({ state: 'succeeded' });
      taken.push(ms);
    }
    return taken.toSorted((a, b) => a - b)[Math.floor(count / 2)] ?? Number.POSITIVE_INFINITY;
  };
  await run(3);
  const alone = await run(20);

  const hold = await daemon('held').hold('ps:rebuild --all');
  await daemon('blocked').hold('ps:rebuild --all');
  await daemon('frozen').kill('SIGSTOP');
  await daemon('away').kill();
  const stuck = await Promise.all(
    ['held', 'blocked', 'frozen', 'away'].map((server) =>
      web.accept({ cmd: 'ps:rebuild --all', server, ...(server === 'blocked' ? { timeout: '1' } : {}) }),
    ),
  );
  await hold.held();
  await waitFor(
    async () => {
      const servers = (await (await web.get('/servers')).json()) as { server: string; state: string }[];
      const states = Object.fromEntries(servers.map(({ server, state }) => [server, state]));
      return (
        states.held === 'busy' &&
        states.frozen === 'busy' &&
        states.blocked === 'blocked' &&
        states.away === 'unreachable'
      );
    },
    { describe: 'the others to be stuck' },
  );
  // Twice, and half a second, for what a busy machine adds: the shortest of the stuck ones' waits is a second.
  expect(await run(20)).toBeLessThan(2 * alone + 500);
  const states = await Promise.all(
    stuck.map(async ({ token }) => ((await (await web.get(`/commands/${token}`)).json()) as { state: string }).state),
  );
  expect(states).toEqual(['running', 'timed_out', 'running', 'queued']);
});
