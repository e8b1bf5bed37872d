import { query } from '../support/query.ts';

const tables = ['commands', 'idempotency_keys', 'deliveries', 'attempts'];

/**
 * Lets a database say of chosen shares of rows that they do not fit on the disk, in Postgres' own words. The disk itself
 * is the machine's, and other runs are on it.
 */
export async function prepareDisk(databaseUrl: string): Promise<void> {
  const triggers = tables.map(
    (table) => `CREATE TRIGGER disk_full BEFORE INSERT OR UPDATE ON dokku_api.${table}
      FOR EACH ROW EXECUTE FUNCTION chaos.refuse_row();`,
  );
  await query(
    databaseUrl,
    `CREATE SCHEMA chaos;
    CREATE TABLE chaos.disk (share_refused float8 NOT NULL);
    INSERT INTO chaos.disk VALUES (0);
    CREATE FUNCTION chaos.refuse_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF random() < (SELECT share_refused FROM chaos.disk) THEN
        RAISE EXCEPTION 'could not extend file "base/%": No space left on device', TG_RELID USING ERRCODE = 'disk_full';
      END IF;
      RETURN NEW;
    END $$;
    ${triggers.join('\n')}`,
  );
}

/** @param share of the rows that are refused from now on, from 0 to 1 */
export async function refuseRows(databaseUrl: string, share: number): Promise<void> {
  await query(databaseUrl, 'UPDATE chaos.disk SET share_refused = $1', [share]);
}
