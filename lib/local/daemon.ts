import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ownProgram } from '../package.ts';

const usualSocket = '/var/run/dokku-daemon/dokku-daemon.sock';
const socketPathMaximumBytes = 107;

/** The daemon that commands go to: a real one, or the stand-in. */
export type LocalDaemon = { socketPath: string; isStandIn: boolean; stop(): Promise<void> };

/** The configured socket, else the usual one where it is there, else a stand-in daemon of our own. */
export async function startDaemon(options: { folder: string; configured: string | undefined }): Promise<LocalDaemon> {
  const real = options.configured || (isSocket(usualSocket) ? usualSocket : undefined);
  if (real !== undefined) return { socketPath: real, isStandIn: false, stop: async () => undefined };
  const socketPath = join(socketFolder(options.folder), 'dokku-daemon.sock');
  const child = spawn(
    process.execPath,
    [
      ...process.execArgv,
      ownProgram('lib/local/stand-in/main'),
      '--socket',
      socketPath,
      '--state',
      join(options.folder, 'stand-in'),
      '--end-with-stdin',
    ],
    { stdio: ['pipe', 'pipe', 'pipe'], detached: true },
  );
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    let output = '';
    const read = (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes('listening on')) resolve();
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`the stand-in daemon ended: ${output.trim()}`)));
  });
  return {
    socketPath,
    isStandIn: true,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** Sockets have short paths: below a deep folder it is put where temporary files are. */
function socketFolder(folder: string): string {
  const own = join(folder, 'run');
  const fits = Buffer.byteLength(join(own, 'dokku-daemon.sock')) <= socketPathMaximumBytes;
  const name = `dokku-api-${createHash('sha256').update(folder).digest('hex').slice(0, 16)}`;
  const chosen = fits ? own : join(tmpdir(), name);
  mkdirSync(chosen, { recursive: true, mode: 0o700 });
  return chosen;
}

function isSocket(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isSocket() ?? false;
}
