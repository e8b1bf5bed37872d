import { createHash } from 'node:crypto';
import pg from 'pg';
import { createDatabase } from '../support/database.ts';

export type RubyCommand = {
  id?: number;
  command?: string;
  result?: string | null;
  createdAt?: string | null;
  ranAt?: string | null;
  callbackUrl?: string | null;
};

/** The tables as DataMapper made them for the Ruby app: nothing but the ids is unique, and anything else can be null. */
const tables = `
  CREATE TABLE "keys" ("id" SERIAL NOT NULL, "api_key" VARCHAR(50), "api_secret" VARCHAR(50), PRIMARY KEY("id"));
  CREATE TABLE "commands" ("id" SERIAL NOT NULL, "token" VARCHAR(64), "command" VARCHAR(255), "result" TEXT,
    "created_at" TIMESTAMP, "ran_at" TIMESTAMP, "callback_url" VARCHAR(50), PRIMARY KEY("id"))`;

/** The token that a command of the Ruby app has here. */
export function rubyToken(id: number): string {
  return createHash('sha256').update(`command ${id}`).digest('hex');
}

/** A migrated database with the tables of the Ruby app, and a connection to it. */
export async function createRubyDatabase() {
  const { url } = await createDatabase();
  const client = new pg.Client(url);
  await client.connect();
  await client.query(tables);
  const rows = async (text: string, values: unknown[] = []) => (await client.query(text, values)).rows;
  return {
    url,
    rows,
    async addKey(apiKey: string | null, apiSecret: string | null): Promise<void> {
      await rows('INSERT INTO public.keys (api_key, api_secret) VALUES ($1, $2)', [apiKey, apiSecret]);
    },
    async addCommand(command: RubyCommand = {}): Promise<number> {
      const [{ id }] = await rows(
        `INSERT INTO public.commands (id, command, result, created_at, ran_at, callback_url)
         VALUES (coalesce($1, nextval('commands_id_seq')), $2, $3, $4, $5, $6) RETURNING id`,
        [
          command.id ?? null,
          command.command ?? 'apps:list',
          command.result ?? null,
          command.createdAt === undefined ? '2017-03-15 15:13:45' : command.createdAt,
          command.ranAt ?? null,
          command.callbackUrl ?? null,
        ],
      );
      await rows('UPDATE public.commands SET token = $2 WHERE id = $1', [id, rubyToken(id)]);
      return id;
    },
    /** Changes with anything that changes in the Ruby app's tables. */
    async fingerprint(): Promise<unknown> {
      return await rows(`SELECT (SELECT md5(string_agg(commands::text || xmin, '|' ORDER BY id)) FROM public.commands),
        (SELECT md5(string_agg(keys::text || xmin, '|' ORDER BY id)) FROM public.keys)`);
    },
    end: () => client.end(),
  };
}
