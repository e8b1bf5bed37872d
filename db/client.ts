import { DrizzleQueryError } from 'drizzle-orm';
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import pg from 'pg';

export type Database = NodePgDatabase & { $client: pg.Pool };

/**
 * Every time limit is set by `SET` on a new connection, since poolers refuse them as start-up parameters. A lost
 * connection is noticed by `query_timeout` of the client, which Postgres' own limits cannot do.
 */
const limits = [
  'SET statement_timeout = 5000',
  'SET lock_timeout = 2000',
  'SET idle_in_transaction_session_timeout = 10000',
  "SET timezone = 'UTC'",
].join('; ');

/** A connection that does not end by then met a network that lost it. */
const closeWithinMs = 1000;
const connections = new WeakMap<pg.Pool, Set<pg.PoolClient>>();

/** What node-postgres says of a query that is not answered within `query_timeout`. */
const readTimeout = 'Query read timeout';

/**
 * A pool with bounded waits everywhere.
 * @param onError told of errors of idle connections: the pool has already replaced them, nothing else is to be done
 */
export function connectDatabase(
  url: string,
  options: { maximum: number; queryTimeoutMs?: number; onError: (error: Error) => void },
): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: options.maximum,
    connectionTimeoutMillis: Math.min(3000, options.queryTimeoutMs ?? 3000),
    query_timeout: options.queryTimeoutMs ?? 7000,
    keepAlive: true,
    idleTimeoutMillis: 30_000,
    application_name: 'dokku-api',
    // pg-pool awaits what this returns before it hands the connection out.
    onConnect: (client) => {
      client.on('error', options.onError);
      return client.query(limits);
    },
  });
  pool.on('error', options.onError);
  const open = new Set<pg.PoolClient>();
  connections.set(pool, open);
  pool.on('connect', (client) => open.add(client)).on('remove', (client) => open.delete(client));
  replaceIdleAfterTimeout(pool);
  return drizzle({ client: pool });
}

/** Ends every connection when its query is over. One that is lost would hold the process for as long as TCP hopes: it is cut. */
export async function closeDatabase({ $client: pool }: Database): Promise<void> {
  // The pool takes those for ended whose end was only asked for.
  setTimeout(() => {
    for (const client of connections.get(pool) ?? []) client.connection.stream.destroy();
  }, closeWithinMs).unref();
  await pool.end();
}

/**
 * A query that is not answered in time met a network that lost its connection. Those that are idle may be lost as well,
 * and each would cost the next query as long a wait: they end at once.
 */
function replaceIdleAfterTimeout(pool: pg.Pool): void {
  const idle = new Set<pg.PoolClient>();
  pool.on('acquire', (client) => idle.delete(client));
  pool.on('remove', (client) => idle.delete(client));
  pool.on('release', (error: Error | null | undefined, client) => {
    if (!error) idle.add(client);
    if (error?.message !== readTimeout) return;
    for (const suspect of idle) suspect.connection.stream.destroy(new Error('a query on another connection timed out'));
    idle.clear();
  });
}

/** The SQLSTATE or errno under whatever Drizzle wrapped around it. */
export function databaseErrorCode(error: unknown): string | undefined {
  const cause = unwrap(error);
  return cause !== null && typeof cause === 'object' && 'code' in cause && typeof cause.code === 'string'
    ? cause.code
    : undefined;
}

/** Drizzle's own error carries the SQL and its parameters, which belong into no log; this is what it wraps. */
export function unwrap(error: unknown): unknown {
  return error instanceof DrizzleQueryError && error.cause !== undefined ? error.cause : error;
}

/** What Postgres says where a schema, a table or a column is missing. */
const missingTables = new Set(['3F000', '42P01', '42703']);

/** Whether a query failed because the tables are not those of this version. */
export function lacksTables(error: unknown): boolean {
  return missingTables.has(databaseErrorCode(error) ?? '');
}

/** What Postgres says of a prepared statement in a session that does not have it, or has it of somebody else. */
const strangeStatements = new Set(['26000', '42P05']);

/** Whether a query failed because a pooler shares sessions among connections: it was not carried out. */
export function metStrangeSession(error: unknown): boolean {
  return strangeStatements.has(databaseErrorCode(error) ?? '');
}

export type FailedQuery =
  /** Postgres was not reached: nothing was sent. */
  | 'not_sent'
  /** Postgres said no, for want of resources or because it is stopping: nothing was stored, later it may be. */
  | 'refused'
  /** The connection went away with a query under way: it may have been carried out. */
  | 'outcome_unknown'
  /** The query itself is wrong, or hit a constraint. */
  | 'rejected';

const neverConnected = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  '57P03',
  '53300',
  '28P01',
  '28000',
  '3D000',
]);
const sqlState = /^[0-9A-Z]{5}$/;
/** Disk full and other resources, read-only or cancelled, deadlock and serialization, lock and statement time limits. */
const refusedStates = /^(53|25006|40|55P03|57014|58)/;
/** The connection's end while a query was under way. */
const connectionStates = /^(08|57P0[1-4])/;

/** What is known after a query threw. In doubt the outcome is unknown. */
export function classifyFailedQuery(error: unknown): FailedQuery {
  const cause = unwrap(error);
  const code = databaseErrorCode(error);
  if (code !== undefined && neverConnected.has(code)) return 'not_sent';
  if (cause instanceof Error && /timeout exceeded when trying to connect|Cannot use a pool after/.test(cause.message)) {
    return 'not_sent';
  }
  if (metStrangeSession(error)) return 'refused';
  if (code !== undefined && sqlState.test(code)) {
    if (connectionStates.test(code)) return 'outcome_unknown';
    return refusedStates.test(code) ? 'refused' : 'rejected';
  }
  return isConnectionLoss(cause, code) ? 'outcome_unknown' : 'rejected';
}

/** Whether the query itself failed, and not the way to Postgres. */
export function isRejected(error: unknown): boolean {
  return classifyFailedQuery(error) === 'rejected';
}

/** What the system and node-postgres say when a connection ends with a query under way. */
function isConnectionLoss(cause: unknown, code: string | undefined): boolean {
  if (code !== undefined) return /^E[A-Z]+$/.test(code);
  return (
    cause instanceof Error &&
    /^(Connection terminated|Query read timeout|timeout expired|Client (was closed|has encountered))/.test(
      cause.message,
    )
  );
}
