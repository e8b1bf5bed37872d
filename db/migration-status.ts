/** Whether the database has the schema that this version needs. */
import { sql } from 'drizzle-orm';
import { type Database, databaseErrorCode } from './client.ts';
import { newestMigration } from './schema-migrations.ts';

/**
 * `pending`: `release` has not run yet, or not to its end. `newer`: a later version has migrated already, which this one
 * runs with until it is replaced.
 */
export type MigrationStatus = 'applied' | 'pending' | 'newer';

const noSuchTable = '42P01';
const noSuchSchema = '3F000';

/** @throws what the database throws, where it is away or forbids the look */
export async function migrationStatus(database: Database): Promise<MigrationStatus> {
  try {
    const { rows } = await database.execute<{ newest: string | null }>(
      sql`select max(created_at)::text as newest from dokku_api.migrations`,
    );
    const applied = Number(rows[0]?.newest ?? 0);
    if (applied === newestMigration()) return 'applied';
    return applied > newestMigration() ? 'newer' : 'pending';
  } catch (error) {
    const code = databaseErrorCode(error);
    if (code === noSuchTable || code === noSuchSchema) return 'pending';
    throw error;
  }
}
