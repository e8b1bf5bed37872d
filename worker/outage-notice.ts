import { databaseErrorCode, lacksTables, metStrangeSession } from '../db/client.ts';
import { sharedSessions } from '../db/shared-sessions.ts';
import { onceInAWhile } from '../lib/once-in-a-while.ts';
import type { WorkerContext } from './context.ts';

/**
 * Says that Postgres did not do what is asked of it several times a second, and then nothing for a while.
 * @param what failed
 */
export function outageNotice({ log, now }: Pick<WorkerContext, 'log' | 'now'>, what: string): (error: unknown) => void {
  return onceInAWhile(now, (error) => {
    const remedy = remedyOf(error);
    log.warn({ code: databaseErrorCode(error), ...(remedy === null ? {} : { remedy }) }, what);
  });
}

function remedyOf(error: unknown): string | null {
  if (lacksTables(error)) return 'npm run migrate: the tables are not those of this version';
  return metStrangeSession(error) ? `pool_mode = session: ${sharedSessions}` : null;
}
