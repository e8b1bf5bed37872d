import { sql } from 'drizzle-orm';
import { type Database, databaseErrorCode, unwrap } from '../../../db/client.ts';
import { migrationStatus } from '../../../db/migration-status.ts';
import { type Checked, failed, ok, warning } from './finding.ts';
import type { Remedies } from './remedies.ts';

const check = 'migrations';
const insufficientPrivilege = '42501';

/** Looks whether the tables are those of this version. */
export async function checkMigrations(database: Database, remedies: Remedies): Promise<Checked<Database>> {
  try {
    switch (await migrationStatus(database)) {
      case 'applied':
        return { findings: [ok(check, 'all are applied')], value: database };
      case 'newer': {
        const says = 'the database was migrated by a newer version than this one';
        return { findings: [warning(check, says, remedies.update)], value: database };
      }
      case 'pending':
        return { findings: [await pending(database, remedies)], value: null };
    }
  } catch (error) {
    const cause = unwrap(error);
    const says = cause instanceof Error ? cause.message : String(cause);
    const remedy =
      databaseErrorCode(error) === insufficientPrivilege
        ? await grantTables(database)
        : 'npm run -s doctor (once more; Postgres answered before, and now it does not)';
    return { findings: [failed(check, says, remedy)], value: null };
  }
}

async function pending(database: Database, remedies: Remedies) {
  const { rows } = await database.execute<{ allowed: boolean }>(sql`
    select has_database_privilege(current_database(), 'CREATE') or to_regnamespace('dokku_api') is not null as allowed`);
  if (rows[0]?.allowed)
    return failed(check, 'some are pending: the tables are not those of this version', remedies.migrate);
  const says = 'none is applied, and this user may not create the schema dokku_api';
  const remedy = await grantCommand(database, (role, name) => [`GRANT CREATE ON DATABASE ${name} TO ${role}`]);
  return failed(check, says, remedy);
}

/** What an owner of the database types so that this user may use the tables. */
export async function grantTables(database: Database): Promise<string> {
  return await grantCommand(database, (role) =>
    ['USAGE ON SCHEMA dokku_api', 'ALL ON ALL TABLES IN SCHEMA dokku_api'].map((what) => `GRANT ${what} TO ${role}`),
  );
}

/** What an owner of the database types. */
async function grantCommand(database: Database, grants: (role: string, name: string) => string[]): Promise<string> {
  const { rows } = await database.execute<{ role: string; name: string }>(
    sql`select quote_ident(current_user) as role, quote_ident(current_database()) as name`,
  );
  const { role = '', name = '' } = rows[0] ?? {};
  return `psql -U postgres -d ${name} -c '${grants(role, name).join('; ')}'`;
}
