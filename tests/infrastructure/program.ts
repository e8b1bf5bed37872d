import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, inject } from 'vitest';
import { waitFor } from '../support/process.ts';

export interface ProgramOptions {
  command: string;
  args: readonly string[];
  env?: Record<string, string>;
  /** Of 127.0.0.1; it is ready when it listens there. */
  port?: number;
}

/** A server that is not ours, as a process of this test file. */
export interface Program {
  readonly pid: number;
  /** Whether it has ended, for whatever reason. */
  readonly isOver: boolean;
  output(): string;
  signal(name: NodeJS.Signals): void;
  /** Settles when it has ended. */
  readonly exit: Promise<number | null>;
  /** Sends a signal and waits for the end; SIGTERM where none is given. Done after the file in any case. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

const running = new Set<Program>();
const folders: string[] = [];

afterAll(async () => {
  await Promise.all([...running].map((program) => program.stop('SIGKILL')));
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A folder that any user may enter, removed after the test file. */
export function makeFolder(name: string): string {
  const folder = mkdtempSync(join(inject('runFolder'), `${name}-`));
  chmodSync(folder, 0o755);
  folders.push(folder);
  return folder;
}

/** Starts it in the foreground, and resolves when it is ready. */
export async function startProgram({ command, args, env = {}, port }: ProgramOptions): Promise<Program> {
  const child = spawn(command, args, {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exit = once(child, 'exit').then(([code]) => code as number | null);
  if (child.pid === undefined) throw new Error(`${command} could not be started`);
  const { pid } = child;
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  let isOver = false;
  const program: Program = {
    pid,
    get isOver() {
      return isOver;
    },
    output: () => output,
    signal: (name) => child.kill(name),
    exit,
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal);
      await exit;
    },
  };
  running.add(program);
  void exit.then(() => {
    isOver = true;
    running.delete(program);
  });
  if (port !== undefined) {
    const ready = await waitFor(async () => (isOver ? 'over' : await listens(port)), {
      describe: () => `${command} to listen on ${port}; it printed:\n${output}`,
    });
    if (ready === 'over') throw new Error(`${command} ended; it printed:\n${output}`);
  }
  return program;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
