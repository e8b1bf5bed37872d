import { pause } from '../../worker/backoff.ts';
import type { Random } from './random.ts';
import { serverNames } from './services.ts';
import type { Site } from './site.ts';

export function daemonFaults(site: Site, random: Random, over: AbortSignal) {
  const awayMs = () => (random.chance(0.2) ? random.between(3000, 6000) : random.between(50, 1500));
  const any = () => {
    const server = random.pick(serverNames);
    const daemon = site.services.daemons.get(server);
    if (daemon === undefined) throw new Error(`${server} has no daemon`);
    return { server, daemon };
  };
  const away = async (mode: 'refusing' | 'absent') => {
    const { server, daemon } = any();
    await site.strike({ kind: `daemon ${mode}`, server }, async () => {
      await daemon.setListener(mode);
      await pause(awayMs(), over);
      await daemon.setListener('listening');
    });
  };
  return [
    [
      3,
      () => {
        const { server, daemon } = any();
        return site.strike({ kind: 'daemon killed', server }, async () => {
          await daemon.kill();
          await pause(awayMs(), over);
          await daemon.start();
        });
      },
    ],
    [
      3,
      () => {
        const { server, daemon } = any();
        const keepLock = random.chance(0.7);
        return site.strike({ kind: 'daemon restarted', server, dropsLock: !keepLock }, () =>
          daemon.restartDaemon({ downMs: Math.round(random.between(50, 500)), keepLock }),
        );
      },
    ],
    [2, () => away('refusing')],
    [2, () => away('absent')],
    [
      2,
      () => {
        const { server, daemon } = any();
        return site.strike({ kind: 'daemon ended connections', server }, async () => {
          await daemon.endConnections();
        });
      },
    ],
    [
      1,
      () => {
        const { server, daemon } = any();
        return site.strike({ kind: 'daemon wedged', server }, async () => {
          daemon.freeze();
          await pause(random.between(200, 2500), over);
          daemon.unfreeze();
        });
      },
    ],
  ] as const;
}
