import { Redis } from 'ioredis';
import { type Ground, query } from './ground.ts';
import type { Installation } from './installation.ts';

/**
 * That nothing was switched off: each accepted command has a row and an entry on a stream, Redis counted the key's
 * requests, and none was counted without it. Returns what is to be called when they were accepted.
 * @throws Error that names what was left out
 */
export async function watchCounters(
  ground: Ground,
  installation: Installation,
): Promise<(accepted: number) => Promise<void>> {
  const before = await read();
  return async (accepted) => {
    const after = await read();
    for (const [name, count] of Object.entries(after)) {
      const counted = count - (before[name] ?? 0);
      const isFailure = name.endsWith('failed') || name.endsWith('alone');
      // Requests of one key that come at once are counted, and announced, together.
      const least = name.endsWith('together') ? 1 : accepted;
      if (isFailure ? counted > 0 : counted < least) {
        throw new Error(`${accepted} commands were accepted, and ${name} counts ${counted}`);
      }
    }
  };

  async function read(): Promise<Record<string, number>> {
    const redis = new Redis(ground.redisUrl);
    try {
      const statistics = await redis.info('commandstats');
      const calls = (command: string) =>
        Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(statistics)?.[1] ?? 0);
      const [row] = await query<{ count: string }>(installation.databaseUrl, 'select count(*) from dokku_api.commands');
      return {
        rows: Number(row?.count),
        'stream entries': calls('xadd'),
        'requests counted by Redis together': calls('evalsha') + calls('eval'),
        'announcements that failed': await installation.counter('dokku_api_announcements_failed_total'),
        'requests counted by the process alone': await installation.counter('dokku_api_rate_limit_fallbacks_total'),
      };
    } finally {
      redis.disconnect();
    }
  }
}
