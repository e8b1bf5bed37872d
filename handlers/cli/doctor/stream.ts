import type { Redis } from 'ioredis';
import { type StreamStatus, streamStatus } from '../../../lib/stream-status.ts';
import { type Finding, ok, warning } from './finding.ts';
import type { Remedies } from './remedies.ts';

/** A worker that reads takes an entry within milliseconds. */
const unreadMs = 5000;

/** Whether the worker hears of new commands at once. */
export async function checkStream(redis: Redis, server: string, remedies: Remedies): Promise<Finding> {
  const check = `stream of ${server}`;
  let status: StreamStatus;
  try {
    status = await streamStatus(redis, server);
  } catch (error) {
    return warning(check, `Redis does not answer: ${(error as Error).message}`, 'npm run -s doctor (once more)');
  }
  if (status === 'no group') return ok(check, 'has no consumer group: the worker makes it as it reads');
  if (status.oldestUnreadMs === null || status.oldestUnreadMs < unreadMs) return ok(check, 'is read');
  const says = `unread for ${Math.round(status.oldestUnreadMs / 1000)} s; commands run all the same, each up to 2 s later`;
  return warning(check, says, remedies.restartWorker);
}
