import { databaseErrorCode, unwrap } from '../db/client.ts';
import { redisErrorCode } from '../lib/redis.ts';

/** What node-postgres and ioredis say of a connection that ends: no value is quoted there, and there is no code. */
const connectionEnds = /^(Connection (is closed|terminated)|Query read timeout|timeout e|Command timed out|Socket )/;

/** What the log may hold of an error: messages of Postgres quote values, so only codes and places are taken. */
export function describeError(error: unknown): { error: string; code?: string; why?: string; at?: string[] } {
  const cause = unwrap(error);
  if (!(cause instanceof Error)) return { error: typeof cause };
  const code = databaseErrorCode(cause) ?? redisErrorCode(cause);
  const at = (cause.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return {
    error: cause.name,
    ...(code === undefined ? {} : { code }),
    ...(connectionEnds.test(cause.message) ? { why: cause.message } : {}),
    at: at.map((line) => line.trim()),
  };
}
