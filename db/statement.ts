/** Statements that are asked often. */
import { type Column, fillPlaceholders, type GetColumnData, type Query } from 'drizzle-orm';
import pg from 'pg';
import type { Database } from './client.ts';
import { readTime } from './time-text.ts';

/** One value of a column as the driver brings it: what the types of the columns in the schema ask for. */
function readerOf(type: number, format: 'text' | 'binary' = 'text'): (value: string) => unknown {
  switch (type) {
    case pg.types.builtins.INT8:
      return Number;
    case pg.types.builtins.TIMESTAMPTZ:
      return readTime;
    default:
      return pg.types.getTypeParser(type, format);
  }
}

const types = { getTypeParser: readerOf } as pg.CustomTypesConfig;

type RowOf<Columns extends Record<string, Column>> = { [Field in keyof Columns]: GetColumnData<Columns[Field]> };

/**
 * Makes a function that executes a query of columns, which every row of its answer has in this order. Drizzle's own way
 * of reading a row looks at each value's kind anew, which was two fifths of what a list of all commands took.
 * @param name prepares it under this name on each connection
 */
export function createStatement<Columns extends Record<string, Column>>(
  { $client: pool }: Database,
  columns: Columns,
  query: { toSQL(): Query },
  name?: string,
): (values: Record<string, unknown>) => Promise<RowOf<Columns>[]> {
  const fields = Object.keys(columns);
  const { sql: text, params } = query.toSQL();
  return async (values) => {
    const { rows } = await pool.query<unknown[]>({
      ...(name === undefined ? {} : { name }),
      text,
      values: fillPlaceholders(params, values),
      rowMode: 'array',
      types,
    });
    return rows.map((values) => {
      const row: Record<string, unknown> = {};
      for (let index = 0; index < fields.length; index++) row[fields[index] as string] = values[index];
      return row as RowOf<Columns>;
    });
  };
}
