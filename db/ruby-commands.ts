import { type SQL, sql } from 'drizzle-orm';
import type { NodePgDatabase } from 'drizzle-orm/node-postgres';
import { type CommandReason, type CommandState, type ResultData, reasonStates } from '../lib/command.ts';
import { commands, rubyImports } from './schema.ts';

/** `lost`, of those imported: without a result that can be read. `late`: results of such that came since. */
export type RubyCommandsImport = { imported: number; lost: number; late: number; refused: number };

/** Reads a result as the daemon sent it, which the Ruby app stored without a look at it. */
export type ResultReader = (result: string) => (ResultData & { truncated: boolean }) | 'malformed';

type Options = { readResult: ResultReader; resultMaximumBytes: number };
type RubyCommand = {
  id: string;
  token: string | null;
  command: string | null;
  result: string | null;
  createdAt: string | null;
  ranAt: string | null;
  callbackUrl: string | null;
};

/** Commands that come after the import have ids above those that the Ruby app may still give. */
const idsLeftFree = 1_000_000;
const rowsAtOnce = 1000;
/** Of results, above which a batch takes no further row. */
const bytesAtOnce = 4 * 1024 * 1024;
/** A transaction that was under way during an import had one of the last ids, and there are few of such. */
const missingAtMost = 1000;

/** What the Ruby app knew of its commands' senders and limits: it let each run for a minute, and noted no sender. */
const ofRubyApp = { server: 'default', owner: 'default', timeoutSeconds: 60, keyId: 0, createdBy: 'key_unknown' };

/** Takes over the commands of the Ruby app that are not known yet, with their ids and tokens. */
export async function importRubyCommands(database: NodePgDatabase, options: Options): Promise<RubyCommandsImport> {
  const { through, missing, highest } = await begin(database);
  const total = { imported: 0, lost: 0, refused: 0, late: await importLateResults(database, through, options) };
  for (let last = through; ; ) {
    const rows = await readBatch(database, sql`id > ${last} and id <= ${highest}`, options);
    const end = rows.at(-1);
    if (end === undefined) break;
    last = Number(end.id);
    const { imported, lost } = await importBatch(database, rows, options, sql`through = ${last}`);
    total.imported += imported;
    total.lost += lost;
    total.refused += rows.length - imported;
  }
  for (let left = missing; ; ) {
    const rows = await readBatch(database, sql`id = any(${sql.param(left)})`, options);
    if (rows.length === 0) return total;
    left = left.filter((id) => !rows.some((row) => Number(row.id) === id));
    // Of these, some may be here already: they came in time for the import that noted them.
    const { imported, lost } = await importBatch(database, rows, options, sql`missing = ${sql.param(left)}`);
    total.imported += imported;
    total.lost += lost;
  }
}

/**
 * Where the last import ended, and to where this one goes. The first one moves the sequence of ids. Ids that are missing
 * are noted together with the highest one that is seen: what is committed later is looked for among them next time.
 */
async function begin(database: NodePgDatabase): Promise<{ through: number; missing: number[]; highest: number }> {
  return await database.transaction(async (transaction) => {
    const [known] = await transaction.select().from(rubyImports);
    const through = known?.through ?? 0;
    const { rows } = await transaction.execute<{ highest: string; gaps: string[] }>(sql`
      select highest, array(
        select gap.id from generate_series(greatest(${through} + 1, highest - ${missingAtMost}), highest) as gap(id)
        where not exists (select 1 from public.commands ruby where ruby.id = gap.id)
      ) as gaps
      from (select coalesce(max(id), 0)::bigint as highest from public.commands) seen`);
    const highest = Number(rows[0]?.highest ?? 0);
    if (!known) await leaveIdsFree(transaction, highest);
    const noted = new Set([...(known?.missing ?? []), ...(rows[0]?.gaps ?? []).map(Number)]);
    const missing = [...noted].sort((a, b) => a - b).slice(-missingAtMost);
    await transaction
      .insert(rubyImports)
      .values({ through, missing })
      .onConflictDoUpdate({ target: rubyImports.id, set: { missing } });
    return { through, missing, highest };
  });
}

async function leaveIdsFree(database: Pick<NodePgDatabase, 'execute'>, highest: number): Promise<void> {
  await database.execute(sql`
    select setval(pg_get_serial_sequence('dokku_api.commands', 'id'), greatest(${highest + idsLeftFree}::bigint,
      (select coalesce(last_value, 0) from pg_sequences where schemaname = 'dokku_api' and sequencename = 'commands_id_seq')))`);
}

/** A result of enormous length is read up to where it is cut anyway, and at its end, which shows whether it is whole. */
function boundedResult(resultMaximumBytes: number): SQL {
  const characters = sql.raw(String(2 * resultMaximumBytes + 64));
  return sql`case when length(result) > ${characters}
    then left(result, ${characters}) || right(rtrim(result, E'\\r\\n'), 2) else result end`;
}

/** The first rows of those selected, as many as a batch may have: the sizes of results are known unread. */
async function readBatch(database: NodePgDatabase, where: SQL, options: Options): Promise<RubyCommand[]> {
  const { rows } = await database.execute<RubyCommand>(sql`
    select id::bigint, token, command, ${boundedResult(options.resultMaximumBytes)} as result,
      created_at::timestamptz as "createdAt", ran_at::timestamptz as "ranAt", callback_url as "callbackUrl"
    from (
      select selected.*, sum(octet_length(result)) over (order by id rows between unbounded preceding and 1 preceding) as before
      from (select * from public.commands where ${where} order by id limit ${rowsAtOnce}) selected
    ) measured where coalesce(before, 0) < ${bytesAtOnce} order by id`);
  return rows;
}

type Ended = ResultData & { state: CommandState; reason: CommandReason | null; truncated: boolean };

function ended(result: string | null, readResult: ResultReader): Ended {
  const read = result === null ? 'malformed' : readResult(result);
  if (read === 'malformed') return without('command_lost');
  // The Ruby app's own words where it gave up waiting.
  if (!read.ok && read.output === 'command_timed_out') return without('command_timed_out');
  return { ...read, state: read.ok ? 'succeeded' : 'failed', reason: null };
}

function without(reason: CommandReason): Ended {
  return { state: reasonStates[reason], reason, ok: false, output: reason, truncated: false };
}

/** Stores commands, and how far the import has come with them. What has an id or a token that is taken is left out. */
async function importBatch(
  database: NodePgDatabase,
  rows: readonly RubyCommand[],
  options: Options,
  progress: SQL,
): Promise<{ imported: number; lost: number }> {
  const records = rows
    .filter((row) => row.token !== null)
    .map(({ result, ...row }) => ({ ...row, ...ended(result, options.readResult) }));
  return await database.transaction(async (transaction) => {
    const { rows: inserted } = await transaction.execute<{ state: CommandState }>(sql`
      insert into ${commands} (id, token, server, command, state, reason, ok, output, output_truncated, callback_url,
        timeout_seconds, created_at, ran_at, key_id, created_by, owner)
      select id, token, ${ofRubyApp.server}, coalesce(command, ''), state, reason, ok, output, truncated,
        nullif("callbackUrl", ''), ${ofRubyApp.timeoutSeconds}::int, coalesce("createdAt", "ranAt", now()),
        case when state = 'lost' then now() else coalesce("ranAt", "createdAt", now()) end,
        ${ofRubyApp.keyId}::bigint, ${ofRubyApp.createdBy}, ${ofRubyApp.owner}
      from json_to_recordset(${JSON.stringify(records)}::json) as imported(id bigint, token text, command text, state text,
        reason text, ok boolean, output text, truncated boolean, "callbackUrl" text, "createdAt" timestamptz,
        "ranAt" timestamptz)
      on conflict do nothing returning state`);
    await transaction.execute(sql`update ${rubyImports} set ${progress}`);
    return { imported: inserted.length, lost: inserted.filter(({ state }) => state === 'lost').length };
  });
}

/** Results that the Ruby app stored after its command was taken over as `lost`: beside that, which stays. */
async function importLateResults(database: NodePgDatabase, through: number, options: Options): Promise<number> {
  let late = 0;
  for (let last = 0; ; ) {
    const lost = sql`id in (select id from ${commands} where state = 'lost' and late_ok is null and id > ${last}
      and id <= ${through}) and result is not null`;
    const rows = await readBatch(database, lost, options);
    const end = rows.at(-1);
    if (end === undefined) return late;
    last = Number(end.id);
    const read = rows.flatMap(({ id, token, result }) => {
      const answer = result === null ? 'malformed' : options.readResult(result);
      return answer === 'malformed' ? [] : [{ id, token, ok: answer.ok, output: answer.output }];
    });
    const { rowCount } = await database.execute(sql`
      update ${commands} set late_ok = late.ok, late_output = late.output, changed_in = pg_current_xact_id()
      from json_to_recordset(${JSON.stringify(read)}::json) as late(id bigint, token text, ok boolean, output text)
      where ${commands.id} = late.id and ${commands.token} = late.token and ${commands.state} = 'lost'
        and ${commands.lateOk} is null`);
    late += rowCount ?? 0;
  }
}
