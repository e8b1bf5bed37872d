/** Who may run a server's commands. Liveness is judged by observers on their own monotonic clocks: see worker/. */
import { and, eq, inArray, isNull, or, type Placeholder, type SQL, sql } from 'drizzle-orm';
import type { Database } from './client.ts';
import { isQueued, queueHead } from './queue.ts';
import { commands, deliveries, leases, workers } from './schema.ts';

/** The right to run a server's commands, as its owner knows it. */
export type LeaseClaim = { server: string; owner: string; epoch: number };

/** What a worker looks at twice a second: enough to notice the dead, the free, and what there is to do. */
export type Observation = {
  leases: { server: string; owner: string | null; epoch: number; beat: number; blocked: boolean; queued: boolean }[];
  workers: { id: string; servers: string[]; beat: number }[];
  deliveriesDue: boolean;
};

/** Selects the server of the lease where it is still held so; lock it with `.for(…)`. */
export function heldLease(
  database: Database,
  held: { server: string | Placeholder; owner: string | Placeholder; epoch: number | Placeholder },
  { unblocked }: { unblocked: boolean },
) {
  return database
    .select({ server: leases.server })
    .from(leases)
    .where(
      and(
        eq(leases.server, held.server),
        eq(leases.owner, held.owner),
        eq(leases.epoch, held.epoch),
        unblocked ? isNull(leases.blockedSince) : undefined,
      ),
    );
}

export type Leases = ReturnType<typeof createLeases>;

export function createLeases(database: Database) {
  const observeStatement = database
    .select({
      leases: sql<Observation['leases']>`(select coalesce(json_agg(json_build_object(
        'server', server, 'owner', owner, 'epoch', epoch, 'beat', beat, 'blocked', blocked_since is not null,
        'queued', (select id from ${commands} where ${isQueued(leases.server)} order by ${queueHead}) is not null
        )), '[]') from ${leases} where server = any(${sql.placeholder('servers')}))`,
      workers: sql<Observation['workers']>`(select coalesce(json_agg(json_build_object(
        'id', id, 'servers', servers, 'beat', beat)), '[]') from ${workers})`,
      deliveriesDue: sql<boolean>`exists (select 1 from ${deliveries} where ${deliveries.state} = 'pending'
        and ${deliveries.nextAt} <= now() and (${deliveries.lockedUntil} is null or ${deliveries.lockedUntil} <= now()))`,
    })
    .from(sql`(values (1)) as one`)
    .prepare('observe');

  return {
    /** Makes the worker and its servers known. Done again where a sweep took the worker for dead. */
    async register(worker: { id: string; servers: readonly string[]; host: string; version: string }): Promise<void> {
      await database
        .insert(leases)
        .values(worker.servers.map((server) => ({ server })))
        .onConflictDoNothing();
      await database
        .insert(workers)
        .values({ ...worker, servers: [...worker.servers] })
        .onConflictDoNothing();
    },

    /**
     * Raises the beat of the worker and of those leases that it holds by its own account: one whose release was not
     * recorded runs out. The leases are locked in the order in which the ends of runs lock them.
     * @returns the leases that it still holds, and whether the worker is known
     */
    async beat(
      worker: string,
      servers: readonly string[],
    ): Promise<{ leases: { server: string; epoch: number }[]; known: boolean }> {
      const { rows } = await database.execute<{ leases: { server: string; epoch: number }[]; known: boolean }>(sql`
        with alive as (
          update ${workers} set beat = beat + 1, beat_at = now() where ${workers.id} = ${worker} returning id
        ), held as (
          update ${leases} set beat = beat + 1 from (
            select server from ${leases} where owner = ${worker} and server = any(${sql.param(servers)})
            order by server for no key update
          ) as own where ${leases.server} = own.server returning ${leases.server}, ${leases.epoch}
        )
        select exists (select 1 from alive) as known,
          (select coalesce(json_agg(json_build_object('server', server, 'epoch', epoch)), '[]') from held) as leases`);
      return onlyRow(rows);
    },

    /** One cheap query for all that a worker watches. */
    async observe(servers: readonly string[]): Promise<Observation> {
      return onlyRow(await observeStatement.execute({ servers: [...servers] }));
    },

    /**
     * Takes a lease that is free, or whose owner was seen silent at this beat for the length of a lease.
     * @returns the lease with its new epoch, or null where somebody was faster or the owner lives
     */
    async take(
      owner: string,
      seen: { server: string; epoch: number; beat: number },
    ): Promise<(LeaseClaim & { blocked: boolean }) | null> {
      const [row] = await database
        .update(leases)
        .set({
          owner,
          epoch: sql`${leases.epoch} + 1`,
          beat: 0,
          unreachableSince: null,
          changedAt: sql`now()`,
        })
        .where(
          and(
            eq(leases.server, seen.server),
            eq(leases.epoch, seen.epoch),
            or(isNull(leases.owner), eq(leases.beat, seen.beat)),
          ),
        )
        .returning({ server: leases.server, epoch: leases.epoch, blockedSince: leases.blockedSince });
      return row ? { server: row.server, owner, epoch: row.epoch, blocked: row.blockedSince !== null } : null;
    },

    /** Gives a lease up, for another replica to take at once. Only with nothing in hand. */
    async release(held: LeaseClaim): Promise<void> {
      await database.update(leases).set({ owner: null, changedAt: sql`now()` }).where(ownLease(held));
    },

    /** The token of the command that blocks the server; null where none does, or the lease is not held. */
    async findBlock(held: LeaseClaim): Promise<string | null> {
      const [row] = await database.select({ blockedBy: leases.blockedBy }).from(leases).where(ownLease(held));
      return row?.blockedBy ?? null;
    },

    /**
     * Ends that one block: a try of it that arrives late, when the next command blocks the server, changes nothing.
     * @param blockedBy the token of the command that Dokku was seen to be done with
     */
    async unblock(held: LeaseClaim, blockedBy: string): Promise<boolean> {
      const { rowCount } = await database
        .update(leases)
        .set({ blockedSince: null, blockedBy: null, changedAt: sql`now()` })
        .where(and(ownLease(held), eq(leases.blockedBy, blockedBy)));
      return rowCount === 1;
    },

    /** Records since when the daemon is out of reach, or that it is back. */
    async markReachable(held: LeaseClaim, reachable: boolean): Promise<void> {
      await database
        .update(leases)
        .set({
          unreachableSince: reachable ? null : sql`coalesce(${leases.unreachableSince}, now())`,
          changedAt: sql`now()`,
        })
        .where(ownLease(held));
    },

    /** Takes the worker off the list, when it stops. */
    async unregister(worker: string): Promise<void> {
      await database.delete(workers).where(eq(workers.id, worker));
    },

    async forgetWorkers(dead: readonly string[]): Promise<void> {
      if (dead.length > 0) await database.delete(workers).where(inArray(workers.id, [...dead]));
    },
  };
}

function ownLease(held: LeaseClaim): SQL | undefined {
  return and(eq(leases.server, held.server), eq(leases.owner, held.owner), eq(leases.epoch, held.epoch));
}

function onlyRow<Row>(rows: readonly Row[]): Row {
  const [row] = rows;
  if (row === undefined) throw new Error('a query that always has one row had none');
  return row;
}
