/** The statements of a run, prepared: those that every command passes through, one after the other. */
import { and, eq, isNull, type Query, type SQL, sql, type WithSubquery } from 'drizzle-orm';
import type { Database } from './client.ts';
import { endCommands, endingSteps } from './command-end.ts';
import { createGivenRows } from './given-rows.ts';
import { heldLease } from './leases.ts';
import { isQueued, queueHead } from './queue.ts';
import { commandColumns, commands, leases } from './schema.ts';
import { createStatement } from './statement.ts';

const given = {
  id: sql.placeholder('id'),
  server: sql.placeholder('server'),
  owner: sql.placeholder('owner'),
  epoch: sql.placeholder('epoch'),
};

const ownRun = and(eq(commands.id, given.id), eq(commands.epoch, given.epoch), eq(commands.state, 'running'));

const result = {
  state: sql`${sql.placeholder('state')}`,
  reason: sql`${sql.placeholder('reason')}`,
  ok: sql`${sql.placeholder('ok')}`,
  output: sql`${sql.placeholder('output')}`,
  outputTruncated: sql`${sql.placeholder('truncated')}`,
  durationMs: sql`${sql.placeholder('durationMs')}`,
};

/** Runs that end together, one of a server, each under its server's lease. */
export const endedRuns = createGivenRows({
  id: 'bigint',
  server: 'text',
  owner: 'text',
  epoch: 'bigint',
  state: 'text',
  reason: 'text',
  ok: 'boolean',
  output: 'text',
  truncated: 'boolean',
  durationMs: 'bigint',
});

export function prepareRunStatements(database: Database) {
  const statement = (query: { toSQL(): Query }, name: string) => createStatement(database, commandColumns, query, name);

  /** The commands that `next` found become `running`. */
  const claimedFrom = (next: WithSubquery, epoch: SQL) =>
    database
      .$with('claimed')
      .as(
        database
          .update(commands)
          .set({ state: 'running', epoch, startedAt: sql`now()`, changedIn: sql`pg_current_xact_id()` })
          .from(next)
          .where(sql`${commands.id} = next.id`)
          .returning(commandColumns),
      );

  const lease = database.$with('lease').as(heldLease(database, given, { unblocked: true }).for('share'));
  const next = database.$with('next').as(
    database
      .select({ id: commands.id })
      .from(commands)
      .where(and(isQueued(given.server), sql`exists (select 1 from ${lease})`))
      .orderBy(queueHead)
      .for('update'),
  );
  const claimed = claimedFrom(next, sql`${given.epoch}`);

  const together = prepareTogether(database, claimedFrom);

  return {
    /** The server's oldest queued command becomes `running`, where the lease is held. */
    claim: statement(database.with(lease, next, claimed).select().from(claimed), 'claim_command'),
    finish: statement(endCommands(database, { where: ownRun, set: result }), 'finish_command'),
    finishBlocking: statement(
      endCommands(database, { where: ownRun, set: result, blocks: given.server }),
      'finish_command_blocking',
    ),
    finishAndClaim: statement(together, 'finish_command_and_claim'),
  };
}

/** Of each of the `endedRuns` the result is stored, and its server's next command claimed. */
function prepareTogether(database: Database, claimedFrom: (next: WithSubquery, epoch: SQL) => WithSubquery) {
  const columns = sql.raw('id, server, owner, epoch, state, reason, ok, output, truncated, duration_ms');
  const runs = database
    .$with('runs', { id: commands.id })
    .as(sql`select * from unnest(${endedRuns.arrays}) as given(${columns})`);
  // Locked in the order in which a beat locks them, and before the commands that end, as by a take-over, so that none of
  // them can deadlock. Who lost the lease stores the result all the same, as long as no successor has ended the command.
  const held = database.$with('lease', { server: leases.server }).as(sql`
    select ${leases.server} from ${leases} join ${runs}
      on ${leases.server} = runs.server and ${leases.owner} = runs.owner and ${leases.epoch} = runs.epoch
    where ${isNull(leases.blockedSince)} order by ${leases.server} for share of leases`);
  const ending = endingSteps(database, {
    where: sql`${commands.id} = runs.id and ${commands.epoch} = runs.epoch and ${commands.state} = 'running'
      and (select count(*) from ${held}) >= 0`,
    from: runs,
    set: {
      state: sql`runs.state`,
      reason: sql`runs.reason`,
      ok: sql`runs.ok`,
      output: sql`runs.output`,
      outputTruncated: sql`runs.truncated`,
      durationMs: sql`runs.duration_ms`,
    },
    after: [runs, held],
  });
  const following = database.$with('next', { id: commands.id }).as(sql`
    select head.id, runs.epoch from ${runs} join ${ending.ended} on ended.id = runs.id
      join ${held} on lease.server = runs.server
      cross join lateral (
        select ${commands.id} from ${commands} where ${isQueued(sql`runs.server`)} order by ${queueHead} for update
      ) as head`);
  const claimed = claimedFrom(following, sql`next.epoch`);
  const both = database
    .$with('both', commandColumns)
    .as(sql`select * from ${ending.ended} union all select * from ${claimed}`);
  return database
    .with(...ending.steps, following, claimed, both)
    .select()
    .from(both);
}
