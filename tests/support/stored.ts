import { eq, sql } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { attempts, type CommandRow, commands, deliveries, leases, workers } from '../../db/schema.ts';

export type Stored = ReturnType<typeof storedIn>;

/** What Postgres holds, read beside the API. Each throws where there is no such row. */
export function storedIn(database: Database) {
  const command = async (token: string): Promise<CommandRow> =>
    only(await database.select().from(commands).where(eq(commands.token, token)), `command ${token}`);

  return {
    command,
    lease: async (server = 'default') =>
      only(await database.select().from(leases).where(eq(leases.server, server)), `lease of ${server}`),
    /** How often a worker has said that it lives. */
    beatOf: async (worker: string) =>
      only(await database.select().from(workers).where(eq(workers.id, worker)), `worker ${worker}`).beat,
    /** A command's delivery, and its attempts in their order, as they stand at one moment. */
    delivery: async (token: string) => {
      const { id } = await command(token);
      return await database.transaction(
        async (moment) => {
          const rows = await moment.select().from(deliveries).where(eq(deliveries.commandId, id));
          const delivery = only(rows, `delivery of ${token}`);
          const made = await moment.select().from(attempts).where(eq(attempts.deliveryId, delivery.id));
          return { ...delivery, attempts: made.sort((a, b) => a.number - b.number) };
        },
        { isolationLevel: 'repeatable read' },
      );
    },
    /** How many statements of this database that contain `text` wait for a lock. */
    lockWaits: async (text: string): Promise<number> => {
      const { rows } = await database.execute<{ waiting: number }>(sql`
        select count(*)::int as waiting from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and position(${text} in query) > 0`);
      return rows[0]?.waiting ?? 0;
    },
  };
}

function only<Row>(rows: readonly Row[], what: string): Row {
  const [row] = rows;
  if (row === undefined || rows.length > 1) throw new Error(`there are ${rows.length} rows of ${what}, not one`);
  return row;
}
