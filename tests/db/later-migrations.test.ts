/**
 * What a later version's migrations may do. The version before goes on running while they are applied and for a while
 * after, so that they may add and not take away, and may lock a table for no longer than a look at the catalog takes.
 */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const folder = new URL('../../db/migrations/', import.meta.url);
/** Those of the first release, before which nothing was running. */
const ofFirstRelease = ['0000_first', '0001_text_index_and_vacuum'];

const allowed: RegExp[] = [
  /^create (table|type|sequence)\b/,
  // A constant default is stored once for all rows; what the version before leaves out must have one, or be null.
  /^alter table \S+ add column \S+ (?!.*\b(not null|primary key|unique|references|check|generated)\b)/,
  /^alter table \S+ add column \S+ (?=.*\bnot null\b)(?=.*\bdefault (now\(\)|true|false|-?\d+|'[^']*'|'[^']*'::\w+)( |$))(?!.*\b(primary key|unique|references|check|generated)\b)/,
  // Looked at row by row by a statement of its own.
  /^alter table \S+ add constraint \S+ (check|foreign key)\b.* not valid$/,
  /^alter table \S+ validate constraint \S+$/,
  /^alter table \S+ set \(/,
  /^alter table \S+ alter column \S+ (drop not null|drop default)$/,
  /^(create( unique)?|drop) index concurrently\b/,
];

/** The statements that the version before, or its users, would notice. */
function hazards(migration: string): string[] {
  const statements = migration
    .split('--> statement-breakpoint')
    .map((text) =>
      text
        .replace(/^\s*--.*$/gm, '')
        .replace(/\s+/g, ' ')
        .replace(/;\s*$/, '')
        .replaceAll('"', '')
        .trim(),
    )
    .filter((text) => text !== '');
  const isOneByOne = migration.startsWith('-- one by one');
  const madeHere = statements.flatMap((text) => /^create table (?:if not exists )?(\S+)/i.exec(text)?.[1] ?? []);
  return statements.filter((text) => {
    const statement = text.toLowerCase();
    const of = /^(?:alter table|create(?: unique)? index \S+ on) (\S+)/i.exec(text)?.[1];
    if (of !== undefined && madeHere.includes(of)) return false;
    // Killed half-way it is run again from its beginning.
    if (isOneByOne !== statement.includes(' concurrently ')) return true;
    if (isOneByOne && statement.startsWith('create')) {
      const name = /concurrently (\S+)/i.exec(text)?.[1]?.replace(/.*\./, '');
      if (
        !statements.some((other) =>
          new RegExp(`^drop index concurrently if exists (\\S+\\.)?${name}$`, 'i').test(other),
        )
      )
        return true;
    }
    return !allowed.some((pattern) => pattern.test(statement));
  });
}

test.each([
  'CREATE TABLE "dokku_api"."notes" ("id" bigint PRIMARY KEY);--> statement-breakpoint\nCREATE INDEX "notes_id" ON "dokku_api"."notes" USING btree ("id");',
  'ALTER TABLE "dokku_api"."commands" ADD COLUMN "note" text;',
  'ALTER TABLE "dokku_api"."commands" ADD COLUMN "starred" boolean DEFAULT false NOT NULL;',
  'ALTER TABLE "dokku_api"."commands" ADD CONSTRAINT "short" CHECK (length("note") < 80) NOT VALID;--> statement-breakpoint\nALTER TABLE "dokku_api"."commands" VALIDATE CONSTRAINT "short";',
  '-- one by one\nDROP INDEX CONCURRENTLY IF EXISTS dokku_api.noted;--> statement-breakpoint\nCREATE INDEX CONCURRENTLY noted ON dokku_api.commands (note);',
])('may: %s', (migration) => {
  expect(hazards(migration)).toEqual([]);
});

test.each([
  'ALTER TABLE "dokku_api"."commands" DROP COLUMN "request_id";',
  'ALTER TABLE "dokku_api"."commands" RENAME COLUMN "ok" TO "fine";',
  'ALTER TABLE "dokku_api"."commands" ADD COLUMN "note" text NOT NULL;',
  'ALTER TABLE "dokku_api"."commands" ADD COLUMN "note" uuid DEFAULT gen_random_uuid() NOT NULL;',
  'ALTER TABLE "dokku_api"."commands" ALTER COLUMN "server" SET DATA TYPE varchar(63);',
  'ALTER TABLE "dokku_api"."commands" ALTER COLUMN "request_id" SET NOT NULL;',
  'ALTER TABLE "dokku_api"."commands" ADD CONSTRAINT "short" CHECK (length("command") < 80);',
  'CREATE INDEX "noted" ON "dokku_api"."commands" USING btree ("note");',
  'CREATE INDEX CONCURRENTLY noted ON dokku_api.commands (note);',
  '-- one by one\nCREATE INDEX CONCURRENTLY noted ON dokku_api.commands (note);',
  'DROP TABLE "dokku_api"."attempts";',
  'DROP INDEX "dokku_api"."commands_owner";',
  'UPDATE dokku_api.commands SET owner = lower(owner);',
])('may not: %s', (migration) => {
  expect(hazards(migration)).toHaveLength(1);
});

test('every migration after the first release may', () => {
  const journal = JSON.parse(readFileSync(new URL('meta/_journal.json', folder), 'utf8')) as {
    entries: { tag: string }[];
  };
  const tags = journal.entries.map(({ tag }) => tag);
  expect(tags.slice(0, ofFirstRelease.length)).toEqual(ofFirstRelease);
  for (const tag of tags.slice(ofFirstRelease.length)) {
    expect(hazards(readFileSync(new URL(`${tag}.sql`, folder), 'utf8')), tag).toEqual([]);
  }
});
