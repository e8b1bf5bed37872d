/**
 * The Ruby app of the same name, whose database this one can be: its keys and commands are taken over from its tables,
 * which are left as they are and which it may still be writing to. Done again, it takes what is new.
 */
import { sql } from 'drizzle-orm';
import type { NodePgDatabase } from 'drizzle-orm/node-postgres';
import type { Seal } from '../lib/seal.ts';
import { importRubyCommands, type ResultReader, type RubyCommandsImport } from './ruby-commands.ts';
import { importRubyKeys, type RubyKeysImport } from './ruby-keys.ts';

export type RubyImport = { keys: RubyKeysImport; commands: RubyCommandsImport };

export type RubyImportOptions = {
  /** Asked for where there are keys to take over: each is given a signing secret. */
  sealOfSigningSecrets: () => Seal;
  readResult: ResultReader;
  /** Results are read up to so much, in bytes. */
  resultMaximumBytes: number;
};

/**
 * Takes over what is not there yet. Interrupted, it is completed by the next call.
 * @param database one connection, whose session has the time zone UTC, and for whom no other process imports meanwhile
 * @returns null where this is not the Ruby app's database
 */
export async function importRubyApp(database: NodePgDatabase, options: RubyImportOptions): Promise<RubyImport | null> {
  if (!(await isRubyDatabase(database))) return null;
  return {
    keys: await importRubyKeys(database, options.sealOfSigningSecrets),
    commands: await importRubyCommands(database, options),
  };
}

/** The tables are told by their columns: others may have a table of such a name. */
async function isRubyDatabase(database: NodePgDatabase): Promise<boolean> {
  const columns = (table: string) => sql`(select array_agg(attname::text) from pg_attribute
    where attrelid = to_regclass(${table}) and attnum > 0 and not attisdropped)`;
  const { rows } = await database.execute<{ found: boolean | null }>(sql`
    select ${columns('public.keys')} @> array['id', 'api_key', 'api_secret'] and ${columns('public.commands')} @>
      array['id', 'token', 'command', 'result', 'created_at', 'ran_at', 'callback_url'] as found`);
  return rows[0]?.found ?? false;
}
