/**
 * A Redis Stream per server that says "there is a command". An entry is a hint and may be lost: Postgres decides what
 * is run, and a worker looks there by itself twice a second.
 */
import type { ChainableCommander, Redis } from 'ioredis';

export const consumerGroup = 'workers';

/** One hash slot for all, so that one read covers every server in a cluster too. */
export function streamKey(server: string): string {
  return `{dokku-api}:commands:${server}`;
}

/** How many malformed entries were read from the server's stream since Redis was last emptied. */
export function malformedKey(server: string): string {
  return `{dokku-api}:malformed:${server}`;
}

/** Announces a command that is stored, by an entry as `isWellFormed` describes it. */
export function wakeUp(pipeline: ChainableCommander, { server, token }: { server: string; token: string }): void {
  pipeline.xadd(streamKey(server), 'MAXLEN', '~', '1000', '*', 'token', token);
}

/** What `wakeUp` writes, and nothing else: one field, `token`, with 64 hex digits. */
function isWellFormed(fields: readonly string[]): boolean {
  const [name, token = ''] = fields;
  return fields.length === 2 && name === 'token' && /^[0-9a-f]{64}$/.test(token);
}

export type Wakeup = { key: string; wellFormed: boolean };

/**
 * Waits up to `blockMs` for entries on the servers' streams, which are acknowledged as they are taken: nothing is ever
 * retried from the pending list. Makes missing streams and groups, at the stream's end: what was announced before is
 * found in Postgres.
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
      'NOACK',
      'STREAMS',
      ...streams,
      ...streams.map(() => '>'),
    )) as [string, [string, string[]][]][] | null;
    return (reply ?? []).flatMap(([key, entries]) =>
      entries.map(([, fields]) => ({ key, wellFormed: isWellFormed(fields) })),
    );
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOGROUP'))) throw error;
    await Promise.all(streams.map((stream) => createGroup(redis, stream)));
    return [];
  }
}

/** Counts malformed entries, for the metrics. */
export async function noteMalformed(redis: Redis, malformed: readonly Wakeup[]): Promise<void> {
  const counts = new Map<string, number>();
  for (const { key } of malformed) counts.set(key, (counts.get(key) ?? 0) + 1);
  await Promise.all(Array.from(counts, ([key, count]) => redis.incrby(malformedKey(serverOfStream(key)), count)));
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
