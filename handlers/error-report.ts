import { databaseErrorCode, unwrap } from '../db/client.ts';

/** What the log may hold of an error: messages of Postgres quote values, so only codes and places are taken. */
export function describeError(error: unknown): { error: string; code?: string; at?: string[] } {
  const cause = unwrap(error);
  if (!(cause instanceof Error)) return { error: typeof cause };
  const code = databaseErrorCode(cause);
  const at = (cause.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return { error: cause.name, ...(code === undefined ? {} : { code }), at: at.map((line) => line.trim()) };
}
