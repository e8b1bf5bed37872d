/** The statements of a run, prepared: those that every command passes through, one after the other. */
import { and, eq, type Query, type SQL, sql } from 'drizzle-orm';
import type { Database } from './client.ts';
import { endCommands, endingSteps } from './command-end.ts';
import { heldLease } from './leases.ts';
import { isQueued, queueHead } from './queue.ts';
import { commandColumns, commands } from './schema.ts';
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

export function prepareRunStatements(database: Database) {
  const statement = (query: { toSQL(): Query }, name: string) => createStatement(database, commandColumns, query, name);
  const lease = database.$with('lease').as(heldLease(database, given, { unblocked: true }).for('share'));

  /** The oldest queued command becomes `running`, where the lease is held and `condition` holds. */
  const claimingSteps = (condition?: SQL) => {
    const next = database.$with('next').as(
      database
        .select({ id: commands.id })
        .from(commands)
        .where(and(isQueued(given.server), sql`exists (select 1 from ${lease})`, condition))
        .orderBy(queueHead)
        .for('update'),
    );
    const claimed = database.$with('claimed').as(
      database
        .update(commands)
        .set({
          state: 'running',
          epoch: sql`${given.epoch}`,
          startedAt: sql`now()`,
          changedIn: sql`pg_current_xact_id()`,
        })
        .from(next)
        .where(eq(commands.id, next.id))
        .returning(commandColumns),
    );
    return { steps: [next, claimed], claimed };
  };

  const claim = claimingSteps();

  // The lease is locked before the command that ends, as by a take-over, so that the two cannot deadlock. Who lost the
  // lease stores the result all the same, as long as no successor has ended the command.
  const ending = endingSteps(database, {
    where: sql`${ownRun} and (select count(*) from ${lease}) >= 0`,
    set: result,
    after: [lease],
  });
  const following = claimingSteps(sql`exists (select 1 from ${ending.ended})`);
  const both = database
    .$with('both')
    .as(database.select().from(ending.ended).unionAll(database.select().from(following.claimed)));

  return {
    claim: statement(
      database
        .with(lease, ...claim.steps)
        .select()
        .from(claim.claimed),
      'claim_command',
    ),
    finish: statement(endCommands(database, { where: ownRun, set: result }), 'finish_command'),
    finishBlocking: statement(
      endCommands(database, { where: ownRun, set: result, blocks: given.server }),
      'finish_command_blocking',
    ),
    finishAndClaim: statement(
      database
        .with(...ending.steps, ...following.steps, both)
        .select()
        .from(both),
      'finish_command_and_claim',
    ),
  };
}
