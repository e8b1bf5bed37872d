import type { Server } from '../lib/config.ts';
import { identifySocket } from '../lib/daemon/connection.ts';
import { DaemonUnavailable } from '../lib/daemon/daemon-unavailable.ts';
import { probe } from '../lib/daemon/probe.ts';
import { answered } from './answered.ts';
import { backoffMs, pause } from './backoff.ts';
import type { WorkerContext } from './context.ts';
import type { HeldLease } from './held-lease.ts';

/**
 * A daemon that was started again has removed its lock, so that its `help` waits for nothing: a command from before gets
 * this long to end.
 */
const restartGraceMs = 5000;

/**
 * Waits until Dokku's lock was seen free: `help` takes the lock and answers. False where the wait is given up first.
 * @param unansweredOn the socket file of the command that got no answer, where this process knows it
 */
export async function unblock(
  context: WorkerContext,
  server: Server,
  lease: HeldLease,
  unansweredOn: string | undefined,
  over: AbortSignal,
): Promise<boolean> {
  const ask = <Result>(query: () => Promise<Result>) =>
    answered(context, { server: lease.server }, 'unblocking not recorded', query);
  for (let failures = 0; !over.aborted && !lease.releaseAsked; failures++) {
    const blockedBy = await ask(() => context.leases.findBlock(lease));
    if (blockedBy === null) {
      lease.blocked = false;
      return !lease.ended;
    }
    if (blockedBy !== undefined && (await isLockFree(server, unansweredOn, over))) {
      const ended = await ask(() => context.leases.unblock(lease, blockedBy));
      if (ended) context.log.info({ server: lease.server }, 'server unblocked');
      // Where it is not known, or not so, the next look tells.
      if (ended !== undefined) continue;
    }
    await pause(backoffMs(failures, 1000), over);
  }
  return false;
}

async function isLockFree(server: Server, unansweredOn: string | undefined, over: AbortSignal): Promise<boolean> {
  const outcome = await probe({ path: server.socketPath, dialect: server.dialect, command: 'help', signal: over });
  if (outcome.kind !== 'reply' || !outcome.ok) return false;
  if (unansweredOn !== undefined && isMadeAnew(server, unansweredOn)) await pause(restartGraceMs, over);
  return !over.aborted;
}

function isMadeAnew(server: Server, identity: string): boolean {
  try {
    return identifySocket(server.socketPath) !== identity;
  } catch (error) {
    if (error instanceof DaemonUnavailable) return true;
    throw error;
  }
}
