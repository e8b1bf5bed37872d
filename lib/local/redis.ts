import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { claimFolder } from './claim.ts';
import { endProcess, processesIn, type SignalStep } from './process-table.ts';
import { findRedis } from './redis-binary.ts';
import { type LocalServer, type OnProgress, startOnPort, startServer } from './server-process.ts';

export interface RedisOptions {
  /** Keeps the data, the password and the log; made where it is absent. */
  folder: string;
  /** Keeps a Redis that had to be downloaded. */
  cache: string;
  /** A free one where it is not given. */
  port?: number;
  /** Directives as in redis.conf, values written as there: `{ save: '""' }`. */
  settings?: Record<string, string>;
  onProgress?: OnProgress;
}

const SIGNALS: readonly SignalStep[] = [
  ['SIGTERM', 10_000],
  ['SIGKILL', 5_000],
];

const NAMES = ['redis-server', 'valkey-server'];

/** Kept, so that the URL stays the same over restarts on the same port. */
function keptPassword(folder: string): string {
  const file = join(folder, 'password');
  if (existsSync(file)) return readFileSync(file, 'utf8').trim();
  const password = randomBytes(24).toString('base64url');
  writeFileSync(file, `${password}\n`, { mode: 0o600 });
  return password;
}

/** In quotes as redis.conf takes them. */
function quoted(value: string): string {
  return `"${value.replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n')}"`;
}

/** Asks a server whether it answers; false while it does not listen or still loads its data. */
function answersPing(port: number, password: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, timeout: 1_000 });
    let answer = '';
    const settle = (ready: boolean) => {
      socket.destroy();
      resolve(ready);
    };
    socket.setEncoding('utf8');
    socket.once('connect', () => socket.write(`AUTH ${password}\r\nPING\r\n`));
    socket.on('data', (text) => {
      answer += text;
      if (answer === '+OK\r\n+PONG\r\n') settle(true);
      else if (answer.split('\r\n').length > 2) settle(false);
    });
    socket.once('timeout', () => settle(false));
    socket.once('error', () => settle(false));
    socket.once('end', () => settle(false));
  });
}

/**
 * Starts a Redis on 127.0.0.1 alone, with its data in `folder`. A server that a killed start left behind is ended
 * first. The password reaches it by a file that only this user may read.
 *
 * @throws Error in one line that says what to do: no Redis to be had, the port is taken, the folder in use, …
 */
export async function startRedis(options: RedisOptions): Promise<LocalServer> {
  const onProgress = options.onProgress ?? (() => undefined);
  const { folder, release } = claimFolder(options.folder);
  try {
    for (const pid of processesIn(folder, NAMES)) await endProcess(pid, SIGNALS);
    const binary = await findRedis({ cache: options.cache, onProgress });
    const password = keptPassword(folder);
    onProgress('Starting Redis');
    const start = async (port: number): Promise<LocalServer> => {
      const configuration = join(folder, 'redis.conf');
      const fixed = {
        ...options.settings,
        bind: '127.0.0.1',
        port: String(port),
        dir: quoted(folder),
        requirepass: quoted(password),
        daemonize: 'no',
        logfile: '""',
      };
      const text = Object.entries(fixed).map(([name, value]) => `${name} ${value}\n`);
      writeFileSync(configuration, text.join(''), { mode: 0o600 });
      const server = await startServer({
        name: 'Redis',
        command: binary.command,
        args: [configuration],
        environment: binary.environment,
        folder,
        log: join(folder, 'redis.log'),
        signals: SIGNALS,
        isReady: () => answersPing(port, password),
      });
      const stop = async () => {
        await server.stop();
        release();
      };
      return { ...server, stop, port, url: `redis://default:${password}@127.0.0.1:${port}` };
    };
    return await startOnPort('Redis', options.port, start);
  } catch (error) {
    release();
    throw error;
  }
}
