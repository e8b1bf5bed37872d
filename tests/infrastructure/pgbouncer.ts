import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../support/process.ts';
import { makeFolder, type Program, startProgram } from './program.ts';

/** A PgBouncer in front of a database. */
export interface PgBouncer {
  /** The database, by way of it. */
  readonly url: string;
  readonly configurationPath: string;
  /** Ends it at once, with every connection; done after the file in any case. */
  stop(): Promise<void>;
  /** Starts it again on the same port. */
  start(): Promise<void>;
}

/** Starts one. Root's would refuse to run, so that it becomes another user. */
export async function startPgBouncer(databaseUrl: string, mode: 'session' | 'transaction'): Promise<PgBouncer> {
  const folder = makeFolder('pgbouncer');
  const target = new URL(databaseUrl);
  const port = await freePort();
  const configurationPath = join(folder, 'pgbouncer.ini');
  const users = join(folder, 'users.txt');
  writeFileSync(users, `"${target.username}" "${target.password}"\n`, { mode: 0o644 });
  writeFileSync(
    configurationPath,
    [
      '[databases]',
      `* = host=${target.hostname} port=${target.port}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = scram-sha-256',
      `auth_file = ${users}`,
      `pool_mode = ${mode}`,
      'default_pool_size = 30',
      '',
    ].join('\n'),
    { mode: 0o644 },
  );
  const url = new URL(databaseUrl);
  url.port = String(port);
  let program: Program;
  const start = async () => {
    program = await startProgram({ command: '/usr/sbin/pgbouncer', args: ['-u', 'nobody', configurationPath], port });
  };
  await start();
  return {
    url: url.href,
    configurationPath,
    stop: () => program.stop(),
    start,
  };
}
