/** How far the workers' consumer group has read a server's stream. */
import type { Redis } from 'ioredis';
import { consumerGroup, streamKey } from './wakeups.ts';

/** `lag`: entries that were not read yet, null where Redis cannot tell; times by Redis' own clock. */
export type StreamStatus = { lag: number | null; pending: number; oldestUnreadMs: number | null } | 'no group';

/** @throws where Redis does not answer */
export async function streamStatus(redis: Redis, server: string): Promise<StreamStatus> {
  const key = streamKey(server);
  const group = await readGroup(redis, key);
  if (group === undefined) return 'no group';
  const lastRead = String(group.get('last-delivered-id'));
  // An exclusive range would need Redis 6.2.
  const [unread] = (await redis.xrange(key, lastRead, '+', 'COUNT', 2)).filter(([entry]) => entry !== lastRead);
  const lag = group.get('lag');
  return {
    lag: typeof lag === 'number' ? lag : null,
    pending: Number(group.get('pending')),
    oldestUnreadMs: unread === undefined ? null : (await redisNowMs(redis)) - Number(unread[0].split('-')[0]),
  };
}

async function readGroup(redis: Redis, key: string): Promise<Map<unknown, unknown> | undefined> {
  try {
    const groups = (await redis.xinfo('GROUPS', key)) as unknown[][];
    return groups.map(pairs).find((group) => group.get('name') === consumerGroup);
  } catch (error) {
    // The stream is made by the first command, or by the first worker that reads it.
    if (error instanceof Error && error.message.startsWith('ERR no such key')) return undefined;
    throw error;
  }
}

function pairs(flat: unknown[]): Map<unknown, unknown> {
  return new Map(flat.flatMap((name, index) => (index % 2 === 0 ? [[name, flat[index + 1]] as const] : [])));
}

async function redisNowMs(redis: Redis): Promise<number> {
  const [seconds, microseconds] = await redis.time();
  return Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000);
}
