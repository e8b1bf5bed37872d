import { eq, type Placeholder, type SQL, sql, type WithSubquery } from 'drizzle-orm';
import type { Database } from './client.ts';
import { heldLease, type LeaseClaim } from './leases.ts';
import { type CommandRow, commandColumns, commands, deliveries, leases } from './schema.ts';

type CommandsEnd = {
  where: SQL | undefined;
  /** A step of `after` that gives each command's values. */
  from?: WithSubquery;
  set: Partial<Record<keyof CommandRow, SQL>>;
  /** The server that is blocked by a command that becomes `timed_out` or `lost`. */
  blocks?: string | Placeholder;
  /** Ends nothing unless this lease is still held. */
  heldBy?: LeaseClaim;
  /** What `where` refers to. */
  after?: WithSubquery[];
};

/**
 * The one statement by which commands become final: state, result, delivery and, where asked, the server's block are
 * stored together. The lease is locked before the command, as by a take-over, so that the two cannot deadlock.
 */
export function endCommands(database: Database, end: CommandsEnd) {
  const { steps, ended } = endingSteps(database, end);
  return database
    .with(...steps)
    .select()
    .from(ended);
}

/** The same as steps of a longer statement; `ended` has the rows that became final. */
export function endingSteps(database: Database, { where, from, set, blocks, heldBy, after = [] }: CommandsEnd) {
  const steps: WithSubquery[] = [...after];
  let condition = where;
  if (blocks !== undefined) {
    const lease = database
      .$with('lease')
      .as(
        (heldBy
          ? heldLease(database, heldBy, { unblocked: false })
          : database.select({ server: leases.server }).from(leases).where(eq(leases.server, blocks))
        ).for('no key update'),
      );
    steps.push(lease);
    condition = sql`${where} and exists (select 1 from ${lease})`;
  }
  const update = database
    .update(commands)
    .set({ ...set, ranAt: sql`now()`, changedIn: sql`pg_current_xact_id()` } as Record<string, SQL>);
  const ended = database
    .$with('ended')
    .as(
      from === undefined
        ? update.where(condition).returning(commandColumns)
        : update.from(from).where(condition).returning(commandColumns),
    );
  const stored = database.$with('stored', { id: deliveries.id }).as(sql`
    insert into ${deliveries} (command_id, webhook_id, url, host, key_id)
    select id, 'msg_' || replace(gen_random_uuid()::text, '-', ''), callback_url,
      lower(substring(callback_url from '^[^:]+://([^/?#]*)')), key_id
    from ${ended} where callback_url is not null returning id`);
  steps.push(ended, stored);
  if (blocks !== undefined) {
    steps.push(
      database.$with('blocked', { server: leases.server }).as(sql`
        update ${leases} set blocked_since = coalesce(blocked_since, now()), blocked_by = coalesce(blocked_by, ended.token),
          changed_at = now()
        from ${ended} where ${leases.server} = ended.server and ended.state in ('timed_out', 'lost')
        returning ${leases.server}`),
    );
  }
  return { steps, ended };
}
