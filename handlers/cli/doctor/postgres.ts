import { sql } from 'drizzle-orm';
import { connectDatabase, type Database, databaseErrorCode, unwrap } from '../../../db/client.ts';
import { sharedSessions, sharesSessions } from '../../../db/shared-sessions.ts';
import { type Checked, type Finding, failed, ok } from './finding.ts';
import type { Remedies } from './remedies.ts';

const check = 'Postgres';
const queryTimeoutMs = 3000;
const oldestMajor = 13;

/** Looks whether Postgres is reached, lets us in, and is one that can be written to. */
export async function checkPostgres(url: string, remedies: Remedies): Promise<Checked<Database>> {
  // Whatever ends a connection fails the query that needs it.
  const database = connectDatabase(url, { maximum: 3, queryTimeoutMs, onError: () => undefined });
  try {
    const { rows } = await database.execute<{ version: string; number: string; isStandby: boolean }>(sql`
      select current_setting('server_version') as version, current_setting('server_version_num') as number,
        pg_is_in_recovery() as "isStandby"`);
    const [row] = rows;
    const problem = row && serverProblem(row, url, remedies);
    if (problem) return { findings: [problem], value: null };
    if (await isShared(database)) {
      return { findings: [failed(check, `${shownUrl(url)}: ${sharedSessions}`, remedies.poolSessions)], value: null };
    }
    return { findings: [ok(check, `${row?.version} at ${shownUrl(url)}`)], value: database };
  } catch (error) {
    return { findings: [connectionProblem(error, url, remedies)], value: null };
  }
}

async function isShared({ $client: pool }: Database): Promise<boolean> {
  const one = await pool.connect();
  try {
    const other = await pool.connect();
    try {
      return await sharesSessions(one, other);
    } finally {
      other.release();
    }
  } finally {
    one.release();
  }
}

function serverProblem(
  { version, number, isStandby }: { version: string; number: string; isStandby: boolean },
  url: string,
  remedies: Remedies,
): Finding | null {
  if (Number(number) < oldestMajor * 10_000) {
    const says = `${version} at ${shownUrl(url)} is too old: ${oldestMajor} or newer is needed`;
    return failed(check, says, remedies.upgradePostgres);
  }
  if (!isStandby) return null;
  const says = `${shownUrl(url)} is a standby, which stores nothing`;
  return failed(check, says, remedies.correctDatabaseUrl('postgres://user:password@primary:5432/dokku_api'));
}

function connectionProblem(error: unknown, url: string, remedies: Remedies): Finding {
  const { hostname, port, pathname, username } = new URL(url);
  const at = shownUrl(url);
  const user = decodeURIComponent(username);
  const correct = (part: { host?: string; query?: string }) =>
    remedies.correctDatabaseUrl(
      `postgres://${user || 'user'}:PASSWORD@${part.host ?? `${hostname}:${port || 5432}`}${pathname}${part.query ?? ''}`,
    );
  const reason = reasonOf(error);
  const code = databaseErrorCode(error);
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return failed(check, `${at}: the name ${hostname} is not known`, correct({ host: 'HOST:5432' }));
    case '28P01':
      return failed(check, `${at} does not take this password`, correct({}));
    case '28000':
      return failed(
        check,
        `${at}: ${reason}`,
        correct({ query: /no encryption/.test(reason) ? '?sslmode=no-verify' : '' }),
      );
    case '3D000': {
      const name = pathname.slice(1);
      const create = `createdb -h ${hostname} -p ${port || 5432} -U ${user || 'postgres'} ${name}`;
      return failed(check, `${at}: there is no database ${name}`, create);
    }
    case '53300': {
      const admin = `psql -h ${hostname} -p ${port || 5432} -U postgres`;
      const remedy = `${admin} -c 'ALTER SYSTEM SET max_connections = 200', and restart Postgres`;
      return failed(check, `${at}: ${reason}`, remedy);
    }
    case '57P03':
      return failed(check, `${at}: ${reason}`, 'npm run -s doctor (once more, when it has started)');
    default:
      if (isUnreachable(code)) return failed(check, `${at} is not reached (${code})`, remedies.startPostgres(hostname));
      return /timeout|terminated/i.test(reason)
        ? failed(check, `${at} does not answer`, remedies.restartPostgres(hostname))
        : failed(check, `${at}: ${reason}`, correct({}));
  }
}

function isUnreachable(code: string | undefined): boolean {
  return code !== undefined && /^(ECONN|EHOST|ENET|ETIMEDOUT|EPIPE|ENOENT)/.test(code);
}

/** Postgres' own words hold names, and never a password. */
function reasonOf(error: unknown): string {
  const cause = unwrap(error);
  return cause instanceof Error ? cause.message || String(databaseErrorCode(error)) : String(cause);
}

/** The URL without what may be secret in it: the password and the query. */
export function shownUrl(url: string): string {
  const { protocol, username, host, pathname } = new URL(url);
  return `${protocol}//${username === '' ? '' : `${username}@`}${host}${pathname}`;
}
