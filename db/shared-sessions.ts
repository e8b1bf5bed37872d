import type pg from 'pg';

type Connection = Pick<pg.ClientBase, 'query'>;

const looks = 3;

/**
 * Whether two open connections are served by the same session of Postgres, or one of them now by this and now by that:
 * what a pooler does in transaction or statement mode. Prepared statements, `SET` and advisory locks then meet the
 * sessions of others.
 */
export async function sharesSessions(one: Connection, other: Connection): Promise<boolean> {
  const sessions = [new Set<unknown>(), new Set<unknown>()];
  for (let look = 0; look < looks; look++) {
    for (const [index, connection] of [one, other].entries()) {
      const { rows } = await connection.query<{ session: number }>('SELECT pg_backend_pid() AS session');
      sessions[index]?.add(rows[0]?.session);
    }
  }
  const [ofOne, ofOther] = sessions.map((seen) => [...seen]);
  return ofOne?.length !== 1 || ofOther?.length !== 1 || ofOne[0] === ofOther[0];
}

/** What is said where they do. */
export const sharedSessions =
  'connections share sessions of Postgres, as behind PgBouncer in transaction or statement mode, which is not supported';
