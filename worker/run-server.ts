/**
 * One server's life under one lease: clear the way, then as long as the lease is held, one command after the other;
 * blocked servers wait for Dokku's lock, unreachable ones back off. The lease is released only with nothing in hand.
 */
import type { CommandRow } from '../db/schema.ts';
import type { Server } from '../lib/config.ts';
import type { DaemonConnection } from '../lib/daemon/connection.ts';
import { DaemonUnavailable } from '../lib/daemon/daemon-unavailable.ts';
import { answered } from './answered.ts';
import { backoffMs, pause } from './backoff.ts';
import type { WorkerContext } from './context.ts';
import type { HeldLease } from './held-lease.ts';
import { claim, clearTheWay, type Ran, runCommand } from './run-command.ts';
import { SpareConnection } from './spare-connection.ts';
import { unblock } from './unblock.ts';

/** For so long a replica tries to reach the daemon before it lets another one try. */
const giveUpMs = 5000;

type Outage = { since: number; chargedAt: number; failures: number };

/** Resolves when the lease has ended, was given up, or the process is to stop; nothing is in hand then. */
export async function runServer(context: WorkerContext, server: Server, lease: HeldLease): Promise<void> {
  const spare = new SpareConnection(server, context.config.resultMaximumBytes);
  const over = AbortSignal.any([lease.signal, context.stopping]);
  let outage: Outage | undefined;
  /** The socket file of the last command that got no answer. */
  let unansweredOn: string | undefined;
  try {
    await clearTheWay(context, lease);
    while (!over.aborted && !lease.releaseAsked) {
      if (lease.blocked) {
        if (await unblock(context, server, lease, unansweredOn, over)) unansweredOn = undefined;
        continue;
      }
      if (!lease.fresh) {
        await lease.attention.wait({ timeoutMs: 1000, signal: over });
        continue;
      }
      let connection = await connect(spare);
      if (connection instanceof DaemonUnavailable) {
        outage = await sitOut(context, lease, outage, connection, over);
        continue;
      }
      if (outage !== undefined) {
        context.log.info({ server: lease.server }, 'the daemon is in reach again');
        await markReachable(context, lease, true);
        lease.unreachable = false;
        outage = undefined;
      }
      let row: CommandRow | null | undefined = await claim(context, lease);
      if (row !== null) lease.idle = false;
      // The next command is claimed with the end of the one before it, where everything for sending it is there.
      const mayClaim = () => !over.aborted && !lease.releaseAsked && lease.fresh && spare.ready !== undefined;
      let untold: CommandRow | null = null;
      while (row) {
        spare.use();
        const run: Promise<Ran> = runCommand(context, lease, connection, row, { untold, mayClaim });
        spare.prepare();
        ({ next: row, untold } = await run);
        if (lease.blocked) unansweredOn = connection.socketIdentity;
        // Claimed only while there was one; where it ended since, the command goes back unsent.
        connection = spare.ready ?? connection;
      }
      if (row === null) {
        lease.idle = true;
        await toldOfWork(lease, spare, over);
      }
    }
  } finally {
    spare.close();
  }
}

/**
 * Resolves when there may be something to do: what waits in the queue is told of by Redis and by the look at all leases
 * twice a second. In between only the connection is looked at, since a daemon may go away while nothing is asked of it.
 */
async function toldOfWork(lease: HeldLease, spare: SpareConnection, over: AbortSignal): Promise<void> {
  let told: boolean;
  do {
    told = await lease.attention.wait({ timeoutMs: 1000, signal: over });
  } while (!told && !over.aborted && spare.ready !== undefined);
}

async function connect(spare: SpareConnection): Promise<DaemonConnection | DaemonUnavailable> {
  try {
    return await spare.get();
  } catch (error) {
    if (error instanceof DaemonUnavailable) return error;
    throw error;
  }
}

/** Charges the wait to the command whose turn it is, which fails at the limit, and backs off. */
async function sitOut(
  context: WorkerContext,
  lease: HeldLease,
  outage: Outage | undefined,
  error: DaemonUnavailable,
  over: AbortSignal,
): Promise<Outage> {
  const now = context.now();
  const ongoing = outage ?? { since: now, chargedAt: now, failures: 0 };
  if (outage === undefined) {
    context.log.warn({ server: lease.server, code: error.code }, error.message);
    await markReachable(context, lease, false);
  }
  await chargeWait(context, lease, now - ongoing.chargedAt);
  lease.unreachable = now - ongoing.since > giveUpMs;
  await pause(backoffMs(ongoing.failures, 1000), over);
  return { ...ongoing, chargedAt: now, failures: ongoing.failures + 1 };
}

async function chargeWait(context: WorkerContext, lease: HeldLease, elapsedMs: number): Promise<void> {
  const failed = await answered(context, { server: lease.server }, 'wait not charged', () =>
    context.commands.chargeWait(lease, elapsedMs, context.config.daemonWaitSeconds * 1000),
  );
  if (!failed) return;
  const { server, token, requestId, state, reason } = failed;
  context.log.warn({ server, token, request_id: requestId, state, reason }, 'command ended');
  context.announceChange(failed);
}

async function markReachable(context: WorkerContext, lease: HeldLease, reachable: boolean): Promise<void> {
  await answered(context, { server: lease.server }, 'reachability not recorded', () =>
    context.leases.markReachable(lease, reachable),
  );
}
