/** Callbacks on their way. Sent at least once, all attempts under one `webhook-id`. */
import { and, asc, eq, inArray, isNull, lte, notInArray, or, sql } from 'drizzle-orm';
import { inBatches } from '../lib/batches.ts';
import { onFirstUse } from '../lib/on-first-use.ts';
import { type Database, isRejected } from './client.ts';
import { createGivenRows } from './given-rows.ts';
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

  const recordStatement = onFirstUse(() => prepareRecord(database));
  const recordShared = inBatches({
    // As of the look-ups of keys: one connection that hangs does not hold up all.
    callsAtMost: 2,
    itemsAtMost: 64,
    call: async (ended: readonly EndedAttempt[]) => {
      await recordStatement().execute(endedRows.valuesOf(ended));
      return ended.map(() => undefined);
    },
    isOfOne: isRejected,
  });

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
     * Records an attempt and what becomes of its delivery, in one statement, with those that end meanwhile. A delivery
     * that was begun anew, or taken by another, since this attempt took it goes its own way.
     */
    async recordAttempt(taken: Pick<DeliveryRow, 'id' | 'lockedUntil'>, end: AttemptEnd): Promise<void> {
      await recordShared({
        id: taken.id,
        lockedUntil: taken.lockedUntil?.toISOString() ?? null,
        status: end.status,
        error: end.error,
        durationMs: Math.round(end.durationMs),
        state: end.state,
        nextAfterMs: end.nextAfterMs,
      });
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

/** What is stored of an attempt, with the types of its columns. */
const endedTypes = {
  id: 'bigint',
  lockedUntil: 'timestamptz',
  status: 'int',
  error: 'text',
  durationMs: 'int',
  state: 'text',
  nextAfterMs: 'float8',
} as const;
type EndedAttempt = Record<keyof typeof endedTypes, string | number | null>;
const endedRows = createGivenRows(endedTypes);

/** Any number of attempts in one statement. */
function prepareRecord(database: Database) {
  const ended = database.$with('ended', { id: deliveries.id }).as(sql`
    select *, row_number() over (partition by id order by position) as place from unnest(${endedRows.arrays}) with ordinality
      as given(id, locked_until_then, status, error, duration_ms, state_now, next_after_ms, position)`);
  const attempted = database.$with('attempted', { id: attempts.id }).as(sql`
    insert into ${attempts} (delivery_id, number, at, status, error, duration_ms)
    select id, place + (select coalesce(max(number), 0) from ${attempts} where delivery_id = ended.id),
      now() - make_interval(secs => duration_ms / 1000.0), status, error, duration_ms
    from ${ended} returning id`);
  const updated = database.$with('updated', { id: deliveries.id }).as(sql`
    update ${deliveries} set state = state_now, attempt = attempt + 1, locked_until = null,
      next_at = now() + make_interval(secs => next_after_ms / 1000.0),
      ended_at = case when state_now = 'pending' then null else now() end
    from ${ended} where ${deliveries.id} = ended.id and ${deliveries.lockedUntil} is not distinct from locked_until_then
    returning ${deliveries.id}`);
  return database.with(ended, attempted, updated).select().from(updated).prepare('record_attempts');
}
