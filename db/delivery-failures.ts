/** Callbacks that were given up, found without a look at every delivery. */
import { sql } from 'drizzle-orm';
import type { Database } from './client.ts';
import { attempts, commands, deliveries } from './schema.ts';

/** The callbacks to one host that ended `dead` within a day, and the last attempt among them. */
export type DeadDeliveries = {
  host: string;
  count: number;
  token: string;
  status: number | null;
  error: string | null;
};

/** So many of the last attempts are looked at. */
const recentAttempts = 2000;

/**
 * By host, the worst first. One that its receiver ended with 410 did what it was asked to.
 */
export async function recentDeadDeliveries(database: Database): Promise<DeadDeliveries[]> {
  const { rows } = await database.execute<DeadDeliveries>(sql`
    select dead.host, count(*)::int as count, (array_agg(dead.token order by dead.id desc))[1] as token,
      (array_agg(dead.status order by dead.id desc))[1] as status, (array_agg(dead.error order by dead.id desc))[1] as error
    from (
      select distinct on (${deliveries.id}) recent.id, ${deliveries.host}, ${commands.token}, recent.status, recent.error
      from (select * from ${attempts} order by id desc limit ${recentAttempts}) recent
      join ${deliveries} on ${deliveries.id} = recent.delivery_id
      join ${commands} on ${commands.id} = ${deliveries.commandId}
      where ${deliveries.state} = 'dead' and ${deliveries.endedAt} > now() - interval '1 day'
      order by ${deliveries.id}, recent.id desc
    ) dead
    where dead.status is distinct from 410
    group by dead.host order by count(*) desc, dead.host limit 20`);
  return rows;
}
