/** Callbacks on their way. Sent at least once, all attempts under one `webhook-id`. */
import { and, asc, eq, inArray, isNull, lte, notInArray, or, sql } from 'drizzle-orm';
import type { Database } from './client.ts';
import { attempts, type CommandRow, commandColumns, commands, deliveries, keys } from './schema.ts';

export type DeliveryRow = typeof deliveries.$inferSelect;
export type AttemptRow = typeof attempts.$inferSelect;

/** A delivery taken for one attempt, and all that the attempt needs. */
export type DueDelivery = {
  delivery: DeliveryRow;
  command: CommandRow;
  sealedSigningSecret: string;
  createdBy: string;
};

/** How an attempt ended; `nextAfterMs` null ends the delivery as `state` says. */
export type AttemptEnd = {
  status: number | null;
  error: string | null;
  durationMs: number;
  state: 'pending' | 'delivered' | 'dead';
  nextAfterMs: number | null;
};

/** Longer than any attempt lasts: a worker that died holding a delivery delays it by this. */
const lockSeconds = 30;

export type Deliveries = ReturnType<typeof createDeliveries>;

export function createDeliveries(database: Database) {
  const due = and(
    eq(deliveries.state, 'pending'),
    lte(deliveries.nextAt, sql`now()`),
    or(isNull(deliveries.lockedUntil), lte(deliveries.lockedUntil, sql`now()`)),
  );

  return {
    /**
     * Takes up to `limit` due deliveries, oldest first, so that with those under way there are at most `perHost` of one
     * host.
     * @param underWay the hosts of the attempts under way, each as often as it has one
     */
    async takeDue(limit: number, perHost: number, underWay: readonly string[]): Promise<DueDelivery[]> {
      const fullHosts = [...new Set(underWay)].filter(
        (host) => underWay.filter((other) => other === host).length >= perHost,
      );
      const candidates = database
        .select({ id: deliveries.id, nextAt: deliveries.nextAt, host: deliveries.host })
        .from(deliveries)
        .where(and(due, fullHosts.length > 0 ? notInArray(deliveries.host, fullHosts) : undefined))
        .orderBy(asc(deliveries.nextAt))
        .limit(limit * perHost)
        .for('update', { skipLocked: true })
        .as('candidates');
      const ranked = database
        .select({
          id: candidates.id,
          nextAt: candidates.nextAt,
          place: sql<number>`row_number() over (partition by ${candidates.host} order by ${candidates.nextAt})
            + (select count(*) from unnest(${sql.param(underWay)}::text[]) as under_way(to_host)
              where to_host = ${candidates.host})`.as('place'),
        })
        .from(candidates)
        .as('ranked');
      const chosen = database
        .select({ id: ranked.id })
        .from(ranked)
        .where(lte(ranked.place, perHost))
        .orderBy(asc(ranked.nextAt))
        .limit(limit);
      const taken = database.$with('taken').as(
        database
          .update(deliveries)
          .set({ lockedUntil: sql`now() + make_interval(secs => ${lockSeconds})` })
          .where(inArray(deliveries.id, chosen))
          .returning(),
      );
      const rows = await database
        .with(taken)
        .select({
          delivery: {
            id: taken.id,
            commandId: taken.commandId,
            webhookId: taken.webhookId,
            url: taken.url,
            host: taken.host,
            keyId: taken.keyId,
            state: taken.state,
            attempt: taken.attempt,
            nextAt: taken.nextAt,
            lockedUntil: taken.lockedUntil,
            createdAt: taken.createdAt,
            endedAt: taken.endedAt,
          },
          command: commandColumns,
          sealedSigningSecret: keys.sealedSigningSecret,
          createdBy: keys.publicId,
        })
        .from(taken)
        .innerJoin(commands, eq(commands.id, taken.commandId))
        .innerJoin(keys, eq(keys.id, taken.keyId));
      return rows;
    },

    /**
     * Records an attempt and what becomes of its delivery, in one statement. A delivery that was begun anew, or taken
     * by another, since this attempt took it goes its own way.
     */
    async recordAttempt(taken: Pick<DeliveryRow, 'id' | 'lockedUntil'>, end: AttemptEnd): Promise<void> {
      const nextAt =
        end.nextAfterMs === null ? sql`null` : sql`now() + make_interval(secs => ${end.nextAfterMs / 1000}::float8)`;
      await database.execute(sql`
        with attempted as (
          insert into ${attempts} (delivery_id, number, at, status, error, duration_ms)
          select ${taken.id}, coalesce(max(number), 0) + 1, now() - make_interval(secs => ${end.durationMs / 1000}::float8),
            ${end.status}::int, ${end.error}::text, ${Math.round(end.durationMs)}::int
          from ${attempts} where delivery_id = ${taken.id}
        )
        update ${deliveries} set state = ${end.state}, attempt = attempt + 1, next_at = ${nextAt}, locked_until = null,
          ended_at = case when ${end.state} = 'pending' then null else now() end
        where id = ${taken.id} and locked_until is not distinct from ${taken.lockedUntil?.toISOString() ?? null}::timestamptz`);
    },

    /** Begins the schedule anew, at once, also while an attempt is under way. Null where the command has no delivery. */
    async sendAgain(commandId: number): Promise<DeliveryRow | null> {
      const [row] = await database
        .update(deliveries)
        .set({ state: 'pending', attempt: 0, nextAt: sql`now()`, lockedUntil: null, endedAt: null })
        .where(eq(deliveries.commandId, commandId))
        .returning();
      return row ?? null;
    },

    async find(commandId: number): Promise<{ delivery: DeliveryRow; attempts: AttemptRow[] } | null> {
      const [delivery] = await database.select().from(deliveries).where(eq(deliveries.commandId, commandId));
      if (!delivery) return null;
      const made = await database
        .select()
        .from(attempts)
        .where(eq(attempts.deliveryId, delivery.id))
        .orderBy(asc(attempts.number));
      return { delivery, attempts: made };
    },
  };
}
