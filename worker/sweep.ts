import { databaseErrorCode } from '../db/client.ts';
import type { Idempotency } from '../db/idempotency.ts';
import { pause } from './backoff.ts';
import type { WorkerContext } from './context.ts';
import { Silence } from './silence.ts';

const everyMs = 5000;
const retentionBatch = 500;

export type SweepOptions = {
  idempotency: Idempotency;
  /** How long a server must be on no live worker's list before its commands are ended, in milliseconds. */
  removedAfterMs: number;
};

/**
 * What nobody holds: commands of servers that no live worker has configured, the rows of dead workers, idempotency keys
 * past their day, commands past their retention. Every worker sweeps; each step is harmless when done twice.
 */
export async function sweep(context: WorkerContext, options: SweepOptions): Promise<void> {
  const silence = new Silence(context.now, options.removedAfterMs / 2);
  const unlistedSince = new Map<string, number>();
  while (!context.stopping.aborted) {
    try {
      await endRemovedServers(context, options, silence, unlistedSince);
      await options.idempotency.deleteExpired();
      if (context.config.retentionDays > 0) await expire(context);
    } catch (error) {
      // The next sweep does it all again; what was seen until now may be out of date by then.
      silence.lookFailed();
      unlistedSince.clear();
      context.log.warn({ code: databaseErrorCode(error), err: error }, 'sweep failed');
    }
    await pause(Math.min(everyMs, options.removedAfterMs / 4), context.stopping);
  }
}

async function endRemovedServers(
  context: WorkerContext,
  { removedAfterMs }: SweepOptions,
  silence: Silence,
  unlistedSince: Map<string, number>,
): Promise<void> {
  const { workers } = await context.leases.observe([]);
  const waiting = await context.commands.serversWithWork();
  silence.look(new Map(workers.map((worker) => [worker.id, String(worker.beat)])));
  const dead = workers.filter((worker) => silence.silentMs(worker.id) >= removedAfterMs).map((worker) => worker.id);
  const listed = new Set(workers.filter(({ id }) => !dead.includes(id)).flatMap(({ servers }) => servers));
  const now = context.now();
  for (const server of unlistedSince.keys()) {
    if (listed.has(server) || !waiting.includes(server)) unlistedSince.delete(server);
  }
  for (const server of waiting) {
    if (listed.has(server)) continue;
    const since = unlistedSince.get(server) ?? now;
    unlistedSince.set(server, since);
    if (now - since < removedAfterMs) continue;
    for (const row of await context.commands.endRemovedServer(server, dead)) {
      context.log.warn(
        { server, token: row.token, request_id: row.requestId, state: row.state, reason: row.reason },
        'command ended: no worker has its server configured',
      );
      context.announceChange(row);
    }
  }
  await context.leases.forgetWorkers(dead);
}

async function expire(context: WorkerContext): Promise<void> {
  for (;;) {
    const deleted = await context.commands.deleteExpired(context.config.retentionDays, retentionBatch);
    if (deleted > 0) context.log.info({ deleted }, 'expired commands deleted');
    // Where outputs are long a batch is a small one, with more behind it.
    if (deleted === 0 || context.stopping.aborted) return;
  }
}
