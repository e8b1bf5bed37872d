import { classifyFailedQuery, databaseErrorCode } from '../db/client.ts';
import type { Server } from '../lib/config.ts';
import { identifySocket } from '../lib/daemon/connection.ts';
import { DaemonUnavailable } from '../lib/daemon/daemon-unavailable.ts';
import { probe } from '../lib/daemon/probe.ts';
import { backoffMs, pause } from './backoff.ts';
import type { WorkerContext } from './context.ts';
import type { HeldLease } from './held-lease.ts';

/**
 * A daemon that was started again has removed its lock, so that its `help` waits for nothing: a command from before gets
 * this long to end.
 */
const restartGraceMs = 5000;

/**
 * Waits until Dokku's lock was seen free: `help` takes the lock and answers. One try; false where it brought nothing and
 * another is to follow.
 * @param unansweredOn the socket file of the command that got no answer, where this process knows it
 */
export async function unblock(
  context: WorkerContext,
  server: Server,
  lease: HeldLease,
  unansweredOn: string | undefined,
  over: AbortSignal,
): Promise<boolean> {
  for (let failures = 0; !over.aborted && !lease.releaseAsked; failures++) {
    const outcome = await probe({ path: server.socketPath, dialect: server.dialect, command: 'help', signal: over });
    if (outcome.kind === 'reply' && outcome.ok) {
      if (unansweredOn !== undefined && (await isMadeAnew(server, unansweredOn))) await pause(restartGraceMs, over);
      return await recordUnblocked(context, lease);
    }
    await pause(backoffMs(failures, 1000), over);
  }
  return false;
}

async function isMadeAnew(server: Server, identity: string): Promise<boolean> {
  try {
    return (await identifySocket(server.socketPath)) !== identity;
  } catch (error) {
    if (error instanceof DaemonUnavailable) return true;
    throw error;
  }
}

async function recordUnblocked(context: WorkerContext, lease: HeldLease): Promise<boolean> {
  try {
    const held = await context.leases.unblock(lease);
    if (held) {
      lease.blocked = false;
      context.log.info({ server: lease.server }, 'server unblocked');
    }
    return held;
  } catch (error) {
    if (classifyFailedQuery(error) === 'rejected') throw error;
    context.log.warn({ server: lease.server, code: databaseErrorCode(error) }, 'unblocking not recorded');
    return false;
  }
}
