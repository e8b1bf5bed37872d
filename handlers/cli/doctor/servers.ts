import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerStatus, ServerStatuses } from '../../../db/server-status.ts';
import { type Finding, failed, ok, skipped, warning } from './finding.ts';
import type { Remedies } from './remedies.ts';
import { lockFile } from './socket.ts';

/** What is only so between two commands, or while a daemon comes back, is over by then. */
const secondLookMs = 2000;
/** A worker ends a run at its time limit; so much later it is not going to. */
const overdueMs = 60_000;

/** A server's state, and whether a second look found the same trouble. */
export type ObservedServer = ServerStatus & { isStuck: boolean };

/** Looks once, and where something may be wrong once more. */
export async function observeServers(
  statuses: ServerStatuses,
  servers: readonly string[],
  silenceSeconds: number,
): Promise<ObservedServer[]> {
  const first = await statuses.of(servers, silenceSeconds);
  if (!first.some(isSuspicious)) return first.map((status) => ({ ...status, isStuck: false }));
  await sleep(secondLookMs);
  const second = await statuses.of(servers, silenceSeconds);
  return second.map((status, index) => {
    const before = first[index];
    const isSame = before?.state === status.state && before.oldestQueuedId === status.oldestQueuedId;
    return { ...status, isStuck: isSame && isSuspicious(status) };
  });
}

function isSuspicious({ state, queued, running }: ServerStatus): boolean {
  return state === 'unreachable' || (state === 'idle' && queued > 0) || isOverdue(running);
}

function isOverdue(running: ServerStatus['running']): boolean {
  return running !== null && running.runningMs > running.timeoutSeconds * 1000 + overdueMs;
}

/** Whether the server takes commands: not blocked, and in reach of its worker. */
export function checkServer(server: ObservedServer, options: { isReached: boolean; remedies: Remedies }): Finding {
  const check = `server ${server.server}`;
  const since = server.since === null ? '' : ` since ${server.since.toISOString()}`;
  switch (server.state) {
    case 'blocked':
      return failed(
        check,
        `blocked${since}: Dokku may still be busy with command ${server.blockedBy}`,
        `fuser -v ${lockFile} (on the Dokku host; it names the process: wait for it, or end it)`,
      );
    case 'unreachable':
      if (!options.isReached) return skipped(check, `the socket of ${server.server} is not usable`);
      if (!server.isStuck) return ok(check, 'was out of reach, and is back');
      return failed(
        check,
        `out of reach of the worker on ${server.worker?.host}${since}, though not from here`,
        options.remedies.restartWorker,
      );
    case 'busy':
      return ok(check, `runs command ${server.running?.token}${since}`);
    case 'idle':
      return ok(check, `idle${since}`);
  }
}

/** Whether what waits gets its turn, and what runs comes to its end. */
export function checkQueue(server: ObservedServer, options: { leaseSeconds: number; remedies: Remedies }): Finding {
  const { leaseSeconds, remedies } = options;
  const check = `queue of ${server.server}`;
  const { queued, running, oldestQueuedMs } = server;
  const waiting = `${queued} ${queued === 1 ? 'waits' : 'wait'}`;
  if (running !== null && isOverdue(running)) {
    const says = `command ${running.token} runs for ${seconds(running.runningMs)}, and may for ${running.timeoutSeconds} s`;
    return failed(check, says, remedies.restartWorker);
  }
  if (server.state === 'blocked' || server.state === 'unreachable') {
    return queued === 0 ? ok(check, 'empty') : skipped(check, `${waiting}: the server is ${server.state}`);
  }
  if (server.isStuck && server.worker === null) {
    const says = `${waiting}: the worker that had the server is gone, and another takes it within ${2 * leaseSeconds} s`;
    return warning(check, says, `npm run -s doctor (once more then; where it stays so, ${remedies.restartWorker})`);
  }
  if (server.isStuck) {
    const says = `${waiting}, the first for ${seconds(oldestQueuedMs ?? 0)}, and nothing runs`;
    return failed(check, says, remedies.restartWorker);
  }
  return ok(check, queued === 0 ? 'empty' : waiting);
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}
