/** Rows that a statement is given from outside, any number of them. */
import { type SQL, sql } from 'drizzle-orm';

/**
 * Each column goes to Postgres as one array, so that one prepared statement serves any number of rows.
 * @param types Postgres' type of each field
 */
export function createGivenRows<Field extends string>(types: Readonly<Record<Field, string>>) {
  const fields = Object.keys(types) as Field[];
  return {
    fields,

    /** The arrays' placeholders, for `unnest`. */
    arrays: sql.join(
      fields.map((field) => sql`${sql.placeholder(field)}::${sql.raw(types[field])}[]`),
      sql`, `,
    ) satisfies SQL,

    /** What the placeholders stand for. */
    valuesOf(rows: readonly Record<Field, unknown>[]): Record<Field, unknown[]> {
      return Object.fromEntries(fields.map((field) => [field, rows.map((row) => row[field])])) as Record<
        Field,
        unknown[]
      >;
    },
  };
}
