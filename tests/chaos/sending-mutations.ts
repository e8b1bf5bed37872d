/** Mutations that break promises 2 and 3: what is sent, when, and by whom. */
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { type Database, databaseErrorCode } from '../../db/client.ts';
import type { LeaseClaim } from '../../db/leases.ts';
import { type CommandRow, commands, leases } from '../../db/schema.ts';
import type { WorkerContext } from '../../worker/context.ts';
import { changed, claiming, finishing, isLost, isTimedOut, type Mutation, once } from './mutation.ts';

export const sendingMutations = {
  /** A row left running by a dead worker goes back to the queue. */
  sendsRunningAgain: (context, database) =>
    changed(context, {
      clearTheWay: async (held) => {
        await database.execute(sql`update ${commands} set state = 'queued', epoch = null, started_at = null
          where server = ${held.server} and state = 'running' and epoch < ${held.epoch}`);
        return await context.commands.clearTheWay(held);
      },
    }),

  /** A command whose answer was not had is sent again. */
  putsBackAfterSend: finishing(isLost, async (context, _database, _id, held) => {
    const claimed = await context.commands.findClaimed(held);
    return claimed && (await context.commands.putBack(claimed));
  }),

  /** What is queued of one server goes to another. */
  runsAnothersCommands: (context, database) =>
    changed(context, {
      claim: async (held) => {
        await database.execute(sql`update ${commands} set server = ${held.server}
          where id = (select max(id) from ${commands} where server <> ${held.server} and state = 'queued')
            and state = 'queued'`);
        const row = await context.commands.claim(held);
        if (row !== null)
          await database.execute(sql`update ${commands} set server = ${held.server} where id = ${row.id}`);
        return row;
      },
    }),

  /** It gives a command a hundredth of its time. */
  isImpatient: (context) =>
    claiming(context, async (_held, row) => row && { ...row, timeoutSeconds: row.timeoutSeconds / 100 }),

  /** It believes in its lease for ever, and claims whatever is queued, as soon as no other row runs. */
  claimsWithoutLease: (context, database) =>
    changed(context, {
      claim: async (held) => {
        Object.defineProperty(held, 'fresh', { value: true });
        for (let tries = 0; ; tries++) {
          try {
            return await claimBy(context, database, held, sql`order by id limit 1`);
          } catch (error) {
            if (tries === 500 || databaseErrorCode(error) !== '23505') throw error;
            await sleep(5);
          }
        }
      },
    }),

  /** Beats leave no trace, so that every owner seems to be silent. */
  beatsInVain: (context, database) => {
    const install = once(() =>
      database.execute(sql`
        create or replace function chaos.keep_beat() returns trigger language plpgsql as $$ begin
          if new.epoch = old.epoch then new.beat = old.beat; end if;
          return new;
        end $$;
        create or replace trigger keep_beat before update on ${leases} for each row execute function chaos.keep_beat()`),
    );
    return claiming(context, async (_held, row) => {
      await install();
      return row;
    });
  },

  newestFirst: (context, database) =>
    changed(context, {
      claim: async (held) => await claimBy(context, database, held, sql`order by id desc limit 1`),
    }),

  /** The ids of commands go down. */
  countsBackwards: (context, database) => {
    // Each process begins at another one: two of them would hand out the same ids.
    const first = 1_000_000 + process.pid;
    const turn = once(() =>
      database.execute(
        sql.raw(
          `alter table dokku_api.commands alter column id set increment by -1 set maxvalue ${first} restart with ${first}`,
        ),
      ),
    );
    return claiming(context, async (_held, row) => {
      await turn();
      return row;
    });
  },

  /** After a time-out the next command follows at once, whatever Dokku still does. */
  runsTwoAtOnce: finishing(isTimedOut, async (context, database, id, held, run) => {
    const row = await context.commands.finish(id, held, run);
    await database.execute(
      sql`update ${leases} set blocked_since = null, blocked_by = null where server = ${held.server}`,
    );
    return row && { ...row, state: 'failed' };
  }),
} satisfies Record<string, Mutation>;

/** A claim that asks for no lease, of the command that `which` names. */
async function claimBy(
  context: WorkerContext,
  database: Database,
  held: LeaseClaim,
  which: ReturnType<typeof sql>,
): Promise<CommandRow | null> {
  const { rows } = await database.execute<{ token: string }>(sql`
    update ${commands} set state = 'running', epoch = ${held.epoch}, started_at = now()
    where id = (select id from ${commands} where server = ${held.server} and state = 'queued' ${which}) and state = 'queued'
    returning token`);
  const token = rows[0]?.token;
  return token === undefined ? null : await context.commands.findByToken(token);
}
