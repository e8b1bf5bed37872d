/** How callbacks fare: those on their way, and attempts and ends, each told once. */
import { sql } from 'drizzle-orm';
import type { Database } from './client.ts';
import { attempts, deliveries } from './schema.ts';

export type PendingDeliveries = {
  /** By the number of attempts made. */
  byAttempts: { attempts: number; count: number }[];
  /** For how long the first one has been due; 0 where none is. */
  overdueSeconds: number;
};

export type AttemptTotals = {
  attempts: { status: number | null; error: string | null; count: number }[];
  ended: { state: 'delivered' | 'dead'; count: number }[];
};

const countedTo = 50_000;
const attemptsAtOnce = 20_000;
/** Statements are cut off long before: an id that was given out so long ago is stored, or never will be. */
const settledAfterMs = 10_000;

export type DeliveryTotals = ReturnType<typeof createDeliveryTotals>;

/** @param now a monotonic clock, in milliseconds */
export function createDeliveryTotals(database: Database, now: () => number) {
  let told: number | undefined;
  /** The highest id at earlier looks, the oldest first. */
  const seen: { highest: number; at: number }[] = [];

  async function look(): Promise<number> {
    const at = now();
    const { rows } = await database.execute<{ highest: string }>(
      sql`select coalesce(max(id), 0)::text as highest from ${attempts}`,
    );
    const highest = Number(rows[0]?.highest ?? 0);
    seen.push({ highest, at });
    return highest;
  }

  /** The highest id below which nothing can appear any more. */
  function settled(): number | undefined {
    const newest = seen.findLastIndex(({ at }) => now() - at >= settledAfterMs);
    if (newest > 0) seen.splice(0, newest);
    return newest === -1 ? undefined : seen[0]?.highest;
  }

  return {
    async pending(): Promise<PendingDeliveries> {
      const { rows } = await database.execute<{ byAttempts: PendingDeliveries['byAttempts']; overdue: number | null }>(
        sql`select (select coalesce(json_agg(json_build_object('attempts', attempt, 'count', count)), '[]') from
            (select attempt, count(*) from (select attempt from ${deliveries} where state = 'pending' limit ${countedTo}) counted
              group by attempt) grouped) as "byAttempts",
          (select extract(epoch from now() - min(next_at))::float8 from ${deliveries}
            where state = 'pending' and next_at <= now()) as overdue`,
      );
      return { byAttempts: rows[0]?.byAttempts ?? [], overdueSeconds: rows[0]?.overdue ?? 0 };
    },

    /** What was attempted since the call before, up to some seconds ago; nothing at the first one. */
    async attemptedSince(): Promise<AttemptTotals> {
      const highest = await look();
      const upTo = settled();
      if (told === undefined) told = highest;
      if (upTo === undefined || upTo <= told) return { attempts: [], ended: [] };
      const to = Math.min(upTo, told + attemptsAtOnce);
      const between = sql`attempt.id > ${told} and attempt.id <= ${to}`;
      const { rows } = await database.execute<AttemptTotals>(sql`
        select (select coalesce(json_agg(json_build_object('status', status, 'error', error, 'count', count)), '[]') from
            (select status, error, count(*) from ${attempts} attempt where ${between} group by status, error) made) as attempts,
          (select coalesce(json_agg(json_build_object('state', state, 'count', count)), '[]') from
            (select delivery.state, count(*) from ${attempts} attempt join ${deliveries} delivery on delivery.id = attempt.delivery_id
              where ${between} and delivery.state <> 'pending' and not exists
                (select 1 from ${attempts} later where later.delivery_id = delivery.id and later.number > attempt.number)
              group by delivery.state) over) as ended`);
      told = to;
      return rows[0] ?? { attempts: [], ended: [] };
    },
  };
}
