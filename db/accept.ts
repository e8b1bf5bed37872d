/** Accepting a command: the one statement that makes it, and what to do when its answer was not had. */
import { and, eq, inArray, sql } from 'drizzle-orm';
import { inBatches } from '../lib/batches.ts';
import { ApiError } from '../lib/errors.ts';
import { classifyFailedQuery, type Database, isRejected } from './client.ts';
import { createGivenRows } from './given-rows.ts';
import { createIdempotency, type IdempotentRequest, remember } from './idempotency.ts';
import { type CommandRow, commandColumns, commands } from './schema.ts';
import { createStatement } from './statement.ts';

/** The columns of a new command that are not their default, with their types. */
const given = {
  token: 'text',
  server: 'text',
  command: 'text',
  callbackUrl: 'text',
  timeoutSeconds: 'int',
  retryOf: 'text',
  legacyRetry: 'boolean',
  keyId: 'bigint',
  createdBy: 'text',
  owner: 'text',
  requestId: 'text',
} as const satisfies Partial<Record<keyof CommandRow, string>>;
const givenRows = createGivenRows(given);

const columns = sql.join(
  givenRows.fields.map((field) => sql.identifier(commands[field].name)),
  sql`, `,
);

/** A command that passed every check. */
export type NewCommand = Pick<CommandRow, keyof typeof given>;

/** The command, and whether it is that of an earlier request. */
export type Accepted = { row: CommandRow; replayed: boolean };

const triesAtMost = 5;

export type Accept = ReturnType<typeof createAccept>;

export function createAccept(database: Database) {
  const idempotency = createIdempotency(database);
  const insertStatement = prepareInsert(database);
  /** None where something is in the way. */
  const insertOne = inBatches({
    callsAtMost: 2,
    itemsAtMost: 100,
    call: async (given: readonly NewCommand[]): Promise<(CommandRow | undefined)[]> => {
      const rows = await insertStatement(givenRows.valuesOf(given));
      const stored = new Map(rows.map((row) => [row.token, row]));
      return given.map(({ token }) => stored.get(token));
    },
    isOfOne: isRejected,
  });

  async function insert(command: NewCommand, request: IdempotentRequest | null): Promise<Accepted> {
    for (let tries = 0; tries < triesAtMost; tries++) {
      const row = await (request === null ? insertOne(command) : insertRemembered(database, command, request));
      if (row) return { row, replayed: false };
      const earlier = await findEarlier(command, request);
      if (earlier !== null) return earlier;
      // What was in the way ended between the two looks.
    }
    throw new Error('a command was neither stored nor found');
  }

  /** What kept the insert from happening: this very command, an idempotent request before it, or a legacy retry. */
  async function findEarlier(command: NewCommand, request: IdempotentRequest | null): Promise<Accepted | null> {
    const [own] = await database.select().from(commands).where(eq(commands.token, command.token));
    if (own) return { row: own, replayed: false };
    const remembered = request && (await idempotency.find(request));
    if (remembered !== null) {
      const [first] = await database.select().from(commands).where(eq(commands.token, remembered));
      return first ? { row: first, replayed: true } : null;
    }
    if (command.retryOf === null) return null;
    const [retry] = await database
      .select()
      .from(commands)
      .where(
        and(
          eq(commands.retryOf, command.retryOf),
          eq(commands.legacyRetry, true),
          inArray(commands.state, ['queued', 'running']),
        ),
      );
    return retry ? { row: retry, replayed: true } : null;
  }

  /**
   * Stores the command as `queued`. When Postgres goes away before it has answered, the same command is stored again:
   * its token makes it one.
   * @throws ApiError `idempotency_key_reused`, or `outcome_unknown` where it cannot be known whether it was stored
   */
  return async function accept(command: NewCommand, request: IdempotentRequest | null): Promise<Accepted> {
    try {
      return await insert(command, request);
    } catch (error) {
      if (classifyFailedQuery(error) !== 'outcome_unknown') throw error;
      return await insert(command, request).catch((cause: unknown) => {
        if (classifyFailedQuery(cause) === 'rejected') throw cause;
        throw new ApiError(
          'outcome_unknown',
          'The database went away while the command was being stored. Look at Location: 404 there means that it was not.',
          { headers: { Location: `/commands/${command.token}`, 'Retry-After': '5' }, cause },
        );
      });
    }
  };
}

/** Any number of commands in one statement, each column as an array; ids ascend in their order. */
function prepareInsert(database: Database) {
  const inserted = database.$with('inserted', commandColumns).as(sql`
    insert into ${commands} (${columns})
    select ${columns} from unnest(${givenRows.arrays}) with ordinality as given(${columns}, position) order by position
    on conflict do nothing returning *`);
  return createStatement(database, commandColumns, database.with(inserted).select().from(inserted), 'insert_command');
}

async function insertRemembered(database: Database, command: NewCommand, request: IdempotentRequest) {
  const remembered = remember(database, request, command.token);
  const values = sql.join(
    givenRows.fields.map((field) => sql`${command[field]}::${sql.raw(given[field])}`),
    sql`, `,
  );
  const inserted = database.$with('inserted', commandColumns).as(sql`
    insert into ${commands} (${columns}) select ${values} where exists (select 1 from ${remembered})
    on conflict do nothing returning *`);
  const [row] = await database.with(remembered, inserted).select().from(inserted);
  return row;
}
