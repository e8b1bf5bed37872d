import { type Outcome, openConnection } from './connection.ts';
import { DaemonUnavailable } from './daemon-unavailable.ts';
import type { Dialect } from './reply.ts';

const connectTimeoutMs = 5000;
// The list of a Dokku's commands, and its help, take some ten KiB.
const maximumOutputBytes = 1_048_576;

/**
 * Asks a daemon one thing on a connection of its own. `help` waits behind Dokku's lock, so that its `ok` answer says
 * that the lock was free; `commands` takes no lock, so that its answer says that the daemon is alive.
 * @param options.timeoutMs how long an answer may take once connected; without it, for ever
 * @param options.signal gives up
 * @returns never rejects for the daemon's sake: `unsent` where there was no connection to be had, `unanswered` as
 *   `abandoned` where the time was over or `signal` gave up
 */
export async function probe(options: {
  path: string;
  command: 'help' | 'commands';
  dialect: Dialect;
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}): Promise<Outcome> {
  const { path, command, dialect, timeoutMs, signal } = options;
  const connection = await openConnection({ path, connectTimeoutMs, maximumOutputBytes, dialect, signal }).catch(
    (error: unknown) => {
      if (error instanceof DaemonUnavailable) return error;
      throw error;
    },
  );
  if (connection instanceof DaemonUnavailable) return { kind: 'unsent', error: connection };
  const giveUp = () => connection.destroy();
  const timer = timeoutMs === undefined ? undefined : setTimeout(giveUp, timeoutMs);
  signal?.addEventListener('abort', giveUp);
  if (signal?.aborted) giveUp();
  try {
    return await connection.send(command);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', giveUp);
  }
}
