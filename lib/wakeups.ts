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

/** How many malformed entries were read from the server's stream since Redis was last emptied. */
export function malformedKey(server: string): string {
  return `{dokku-api}:malformed:${server}`;
}

/**
 * Announces a command that is stored, by an entry as `isWellFormed` describes it.
 * @throws where Redis did not take it; the caller counts that and goes on
 */
export async function announce(redis: Redis, breaker: CircuitBreaker, server: string, token: string): Promise<void> {
  await breaker.run(() => redis.xadd(streamKey(server), 'MAXLEN', '~', '1000', '*', 'token', token));
}

/** What `announce` writes, and nothing else: one field, `token`, with 64 hex digits. */
function isWellFormed(fields: readonly string[]): boolean {
  const [name, token = ''] = fields;
  return fields.length === 2 && name === 'token' && /^[0-9a-f]{64}$/.test(token);
}

export type Wakeup = { key: string; entry: string; wellFormed: boolean };

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
    return (reply ?? []).flatMap(([key, entries]) =>
      entries.map(([entry, fields]) => ({ key, entry, wellFormed: isWellFormed(fields) })),
    );
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOGROUP'))) throw error;
    await Promise.all(streams.map((stream) => createGroup(redis, stream)));
    return [];
  }
}

/** Acknowledged as they are taken: nothing is ever retried from the pending list. Malformed ones are counted there. */
export async function acknowledge(redis: Redis, wakeups: readonly Wakeup[]): Promise<void> {
  const streams = new Set(wakeups.map(({ key }) => key));
  const asked = [...streams].flatMap((key) => {
    const ofStream = wakeups.filter((wakeup) => wakeup.key === key);
    const malformed = ofStream.filter(({ wellFormed }) => !wellFormed).length;
    return [
      redis.xack(key, consumerGroup, ...ofStream.map(({ entry }) => entry)),
      ...(malformed > 0 ? [redis.incrby(malformedKey(serverOfStream(key)), malformed)] : []),
    ];
  });
  await Promise.all(asked);
}

/** Null where what stands in the counter's place is no count. */
export async function countMalformed(redis: Redis, server: string): Promise<number | null> {
  const count = Number((await redis.get(malformedKey(server))) ?? 0);
  return Number.isInteger(count) && count >= 0 ? count : null;
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
