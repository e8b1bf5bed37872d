/** Callbacks on their way. Sent at least once, all attempts under one `webhook-id`. */
import { asc, eq, getTableColumns, sql } from 'drizzle-orm';
import { inBatches } from '../lib/batches.ts';
import type { StoredCommand } from '../lib/command.ts';
import { onFirstUse } from '../lib/on-first-use.ts';
import { type Database, isRejected } from './client.ts';
import { createGivenRows } from './given-rows.ts';
import { attempts, type CommandRow, commands, deliveries, keys, storedColumns } from './schema.ts';
import { createStatement } from './statement.ts';

export type DeliveryRow = typeof deliveries.$inferSelect;
export type AttemptRow = typeof attempts.$inferSelect;

/** A delivery taken for one attempt, and all that the attempt needs. */
export type DueDelivery = {
  delivery: Pick<DeliveryRow, 'id' | 'commandId' | 'webhookId' | 'url' | 'host' | 'attempt' | 'lockedUntil'>;
  command: StoredCommand & Pick<CommandRow, 'requestId'>;
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

/**
 * Longer than it takes until one of the attempts before it at its host is over, and then its own: 15 s each. A worker
 * that died holding a delivery delays it by this.
 */
const lockSeconds = 45;

export type Deliveries = ReturnType<typeof createDeliveries>;

export function createDeliveries(database: Database) {
  const takeStatement = onFirstUse(() => prepareTake(database));
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
      const rows = await takeStatement()({ limit, perHost, underWay: [...underWay] });
      return rows.map(({ deliveryId, webhookId, url, host, attempt, lockedUntil, publicId, ...rest }) => {
        const { sealedSigningSecret, ...command } = rest;
        const delivery = { id: deliveryId, commandId: command.id, webhookId, url, host, attempt, lockedUntil };
        return { delivery, command, sealedSigningSecret, createdBy: publicId };
      });
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

    /** Makes deliveries that were taken and not sent due again at once, for whoever comes first. */
    async letGo(taken: readonly Pick<DeliveryRow, 'id' | 'lockedUntil'>[]): Promise<void> {
      const ids = taken.map(({ id }) => id);
      const locks = taken.map(({ lockedUntil }) => lockedUntil?.toISOString() ?? null);
      await database.execute(sql`
        update ${deliveries} set locked_until = null
        from unnest(${sql.param(ids)}::bigint[], ${sql.param(locks)}::timestamptz[]) as given(id, locked_until_then)
        where ${deliveries.id} = given.id and ${deliveries.lockedUntil} = locked_until_then`);
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

/** Of so many due deliveries some are taken: where few hosts have more than that, others are found when these are full. */
const candidatesAtOnce = 256;

function prepareTake(database: Database) {
  const due = sql`state = 'pending' and next_at <= now() and (locked_until is null or locked_until <= now())`;
  // What another worker locked after it was chosen here is passed over, and is not due any more when it is let go.
  const taken = database.$with('taken', getTableColumns(deliveries)).as(sql`
    with under_way as (
      select host, count(*) as count from unnest(${sql.placeholder('underWay')}::text[]) as host group by host
    ), oldest as (
      select id, next_at, host from ${deliveries}
      where ${due} and host <> all(array(select host from under_way where count >= ${sql.placeholder('perHost')}::int))
      order by next_at limit ${sql.raw(String(candidatesAtOnce))}
    ), ranked as (
      select id, next_at, coalesce(under_way.count, 0) + row_number() over (partition by host order by next_at) as place
      from oldest left join under_way using (host)
    ), chosen as (
      select id from ranked where place <= ${sql.placeholder('perHost')}::int
      order by next_at limit ${sql.placeholder('limit')}::int
    ), locked as (
      select id from ${deliveries} where id in (select id from chosen) and ${due} for update skip locked
    )
    update ${deliveries} set locked_until = now() + make_interval(secs => ${sql.raw(String(lockSeconds))})
    from locked where ${deliveries.id} = locked.id returning ${deliveries}.*`);
  const columns = {
    ...storedColumns,
    requestId: commands.requestId,
    deliveryId: taken.id,
    webhookId: taken.webhookId,
    url: taken.url,
    host: taken.host,
    attempt: taken.attempt,
    lockedUntil: taken.lockedUntil,
    sealedSigningSecret: keys.sealedSigningSecret,
    publicId: keys.publicId,
  };
  const query = database
    .with(taken)
    .select(columns)
    .from(taken)
    .innerJoin(commands, eq(commands.id, taken.commandId))
    .innerJoin(keys, eq(keys.id, taken.keyId));
  return createStatement(database, columns, query, 'take_due_deliveries');
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
