import { sql } from 'drizzle-orm';
import { probeAccepting } from '../../../db/accept-probe.ts';
import { type Database, databaseErrorCode, unwrap } from '../../../db/client.ts';
import { type Finding, failed, ok } from './finding.ts';
import { grantTables } from './migrations.ts';
import type { Remedies } from './remedies.ts';

const check = 'storage';

/** Whether a command would be stored: Postgres reads on when its disk is full, or when it was made read-only. */
export async function checkStorage(database: Database, remedies: Remedies): Promise<Finding> {
  try {
    await probeAccepting(database);
    return ok(check, 'a command would be stored');
  } catch (error) {
    const cause = unwrap(error);
    const says = cause instanceof Error ? cause.message : String(cause);
    switch (databaseErrorCode(error)) {
      case '53100':
        return failed(
          check,
          'the disk of Postgres is full: no command is accepted, and no result stored',
          remedies.freeDisk,
        );
      case '25006':
        return failed(
          check,
          'Postgres was made read-only: no command is accepted',
          remedies.allowWrites(await databaseName(database)),
        );
      case '42501':
        return failed(check, says, await grantTables(database));
      default:
        return failed(check, says, 'npm run -s doctor (once more; Postgres answered before, and now it does not)');
    }
  }
}

async function databaseName(database: Database): Promise<string> {
  const { rows } = await database.execute<{ name: string }>(sql`select quote_ident(current_database()) as name`);
  return rows[0]?.name ?? '';
}
