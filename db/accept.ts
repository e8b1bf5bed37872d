/** Accepting a command: the one statement that makes it, and what to do when its answer was not had. */
import { and, eq, inArray, sql } from 'drizzle-orm';
import { ApiError } from '../lib/errors.ts';
import { classifyFailedQuery, type Database } from './client.ts';
import { createIdempotency, type IdempotentRequest, remember } from './idempotency.ts';
import { type CommandRow, commandColumns, commands } from './schema.ts';

const fields = [
  'token',
  'server',
  'command',
  'callbackUrl',
  'timeoutSeconds',
  'retryOf',
  'legacyRetry',
  'keyId',
  'createdBy',
  'owner',
  'requestId',
] as const satisfies readonly (keyof CommandRow)[];

/** A command that passed every check. */
export type NewCommand = Pick<CommandRow, (typeof fields)[number]>;

/** The command, and whether it is that of an earlier request. */
export type Accepted = { row: CommandRow; replayed: boolean };

const triesAtMost = 5;

export type Accept = ReturnType<typeof createAccept>;

export function createAccept(database: Database) {
  const idempotency = createIdempotency(database);
  const insertStatement = database
    .insert(commands)
    .values(Object.fromEntries(fields.map((field) => [field, sql.placeholder(field)])) as never)
    .onConflictDoNothing()
    .returning(commandColumns)
    .prepare('insert_command');

  async function insert(command: NewCommand, request: IdempotentRequest | null): Promise<Accepted> {
    for (let tries = 0; tries < triesAtMost; tries++) {
      const [row] = await (request === null
        ? insertStatement.execute(command)
        : insertRemembered(database, command, request));
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

function insertRemembered(database: Database, command: NewCommand, request: IdempotentRequest) {
  const remembered = remember(database, request, command.token);
  const inserted = database.$with('inserted', commandColumns).as(sql`
    insert into ${commands} (token, server, command, callback_url, timeout_seconds, retry_of, legacy_retry, key_id,
      created_by, owner, request_id)
    select ${command.token}, ${command.server}, ${command.command}, ${command.callbackUrl}, ${command.timeoutSeconds}::int,
      ${command.retryOf}, ${command.legacyRetry}::boolean, ${command.keyId}::bigint, ${command.createdBy}, ${command.owner},
      ${command.requestId}
    where exists (select 1 from ${remembered})
    on conflict do nothing returning *`);
  return database.with(remembered, inserted).select().from(inserted);
}
