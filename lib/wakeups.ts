/**
 * A Redis Stream per server that says "there is a command". An entry is a hint and may be lost: Postgres decides what
 * is run, and a worker looks there by itself twice a second.
 */
import type { Redis } from 'ioredis';
import type { CircuitBreaker } from './redis.ts';

export const consumerGroup = 'workers';

/** One hash slot for all, so that one read covers every server in a cluster too. */
export function streamKey(server: string): string {
  return `{dokku-api}:commands:${server}`;
}

/**
 * Announces a command that is stored.
 * @throws where Redis did not take it; the caller counts that and goes on
 */
export async function announce(redis: Redis, breaker: CircuitBreaker, server: string, token: string): Promise<void> {
  await breaker.run(() => redis.xadd(streamKey(server), 'MAXLEN', '~', '1000', '*', 'token', token));
}

export type Wakeup = { key: string; entry: string };

/**
 * Waits up to `blockMs` for entries on the servers' streams. Makes missing streams and groups, at the stream's end:
 * what was announced before is found in Postgres.
 */
export async function readWakeups(
  redis: Redis,
  options: { servers: readonly string[]; consumer: string; blockMs: number },
): Promise<Wakeup[]> {
  const streams = options.servers.map(streamKey);
  try {
    const reply = (await redis.xreadgroup(
      'GROUP',
      consumerGroup,
      options.consumer,
      'COUNT',
      1000,
      'BLOCK',
      options.blockMs,
      'STREAMS',
      ...streams,
      ...streams.map(() => '>'),
    )) as [string, [string, string[]][]][] | null;
    return (reply ?? []).flatMap(([key, entries]) => entries.map(([entry]) => ({ key, entry })));
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOGROUP'))) throw error;
    await Promise.all(streams.map((stream) => createGroup(redis, stream)));
    return [];
  }
}

/** Acknowledged as they are taken: nothing is ever retried from the pending list. */
export async function acknowledge(redis: Redis, wakeups: readonly Wakeup[]): Promise<void> {
  const byStream = new Map<string, string[]>();
  for (const { key, entry } of wakeups) byStream.set(key, [...(byStream.get(key) ?? []), entry]);
  await Promise.all([...byStream].map(([key, entries]) => redis.xack(key, consumerGroup, ...entries)));
}

/** The server whose stream it is. */
export function serverOfStream(key: string): string {
  return key.slice(streamKey('').length);
}

async function createGroup(redis: Redis, stream: string): Promise<void> {
  try {
    await redis.xgroup('CREATE', stream, consumerGroup, '$', 'MKSTREAM');
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('BUSYGROUP'))) throw error;
  }
}
