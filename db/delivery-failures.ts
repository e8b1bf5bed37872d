/** Callbacks that fail, found without a look at every delivery. */
import { sql } from 'drizzle-orm';
import type { Database } from './client.ts';
import { attempts, commands, deliveries } from './schema.ts';

/** The callbacks to one host that ended `dead` within a day, or that are still tried, and the last attempt among them. */
export type FailedDeliveries = {
  host: string;
  state: 'dead' | 'pending';
  count: number;
  token: string;
  status: number | null;
  error: string | null;
};

/** So many of the last attempts are looked at. */
const recentAttempts = 2000;

/**
 * By host and state, those given up first, of each the worst. One that its receiver ended with 410 did what it was asked
 * to, and one that was asked for again has not failed yet.
 */
export async function recentFailedDeliveries(database: Database): Promise<FailedDeliveries[]> {
  const { rows } = await database.execute<FailedDeliveries>(sql`
    select failed.host, failed.state, count(*)::int as count, (array_agg(failed.token order by failed.id desc))[1] as token,
      (array_agg(failed.status order by failed.id desc))[1] as status, (array_agg(failed.error order by failed.id desc))[1] as error
    from (
      select distinct on (${deliveries.id}) recent.id, ${deliveries.host}, ${deliveries.state}, ${commands.token},
        recent.status, recent.error
      from (select * from ${attempts} order by id desc limit ${recentAttempts}) recent
      join ${deliveries} on ${deliveries.id} = recent.delivery_id
      join ${commands} on ${commands.id} = ${deliveries.commandId}
      where (${deliveries.state} = 'dead' and ${deliveries.endedAt} > now() - interval '1 day')
        or (${deliveries.state} = 'pending' and ${deliveries.attempt} > 0)
      order by ${deliveries.id}, recent.id desc
    ) failed
    where failed.status is distinct from 410
    group by failed.host, failed.state order by failed.state, count(*) desc, failed.host limit 20`);
  return rows;
}
