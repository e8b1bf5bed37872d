import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertPortFree, freePort } from './port.ts';
import { endProcess, type SignalStep } from './process-table.ts';

/** A user and group of the system, by number. */
export interface Account {
  uid: number;
  gid: number;
}

/** How a process ended: its exit code, or the signal that ended it. */
export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A server that was started and is ready. */
export interface LocalServer {
  /** With user and password in it. */
  url: string;
  port: number;
  pid: number;
  /** Settles when the server has ended, for whatever reason. */
  exited: Promise<Exit>;
  /** Ends the server in good order and returns when it has ended; a second call changes nothing. */
  stop(): Promise<void>;
}

/** Told of each step that may take longer than a moment, in a few words. */
export type OnProgress = (step: string) => void;

interface ServerCommand {
  /** As people know it, for messages. */
  name: string;
  command: string;
  args: readonly string[];
  environment: Record<string, string>;
  /** The working folder, by which a left-over server is known again. */
  folder: string;
  /** The file that takes what the server prints; begun anew. */
  log: string;
  /** Who to run it as, where not the present user. */
  account?: Account | undefined;
  isReady(pid: number): boolean | Promise<boolean>;
  /** How it is ended. */
  signals: readonly SignalStep[];
}

const READY_WITHIN = 60_000;

/** A server ended, or was not ready in time; `log` is what it printed. */
class ServerStartError extends Error {
  readonly log: string;

  constructor(message: string, log: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'ServerStartError';
    this.log = log;
  }
}

function reason(log: string): string {
  const lines = log.split('\n').filter((line) => line.trim() !== '');
  return (lines.find((line) => /\b(FATAL|PANIC):/.test(line)) ?? lines.at(-1) ?? 'it printed nothing').trim();
}

/**
 * Starts a server and returns when it is ready.
 *
 * It gets a session of its own: a Ctrl-C in the terminal is for the starter alone, which ends its servers last.
 *
 * @throws Error in one line, with the server's own reason, when it ends or is not ready within a minute
 */
export async function startServer(options: ServerCommand): Promise<Omit<LocalServer, 'url' | 'port'>> {
  const output = openSync(options.log, 'w', 0o600);
  const child = spawn(options.command, options.args, {
    cwd: options.folder,
    env: options.environment,
    stdio: ['ignore', output, output],
    detached: true,
    ...options.account,
  });
  closeSync(output);

  const running = () => child.exitCode === null && child.signalCode === null;
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  try {
    await once(child, 'spawn');
  } catch (error) {
    throw new ServerStartError(`${options.name} cannot be started: ${(error as Error).message}`, '', error);
  }
  const pid = child.pid;
  if (pid === undefined) throw new Error(`${options.name} has no process id`);

  const stop = async () => {
    if (!running()) return;
    await endProcess(pid, options.signals);
    await exited;
  };

  try {
    const deadline = performance.now() + READY_WITHIN;
    while (running() && performance.now() < deadline) {
      if (await options.isReady(pid)) return { pid, exited, stop };
      await sleep(5);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  const what = running() ? `was not ready within ${READY_WITHIN / 1000} s` : 'ended at its start';
  await stop();
  const log = readFileSync(options.log, 'utf8');
  throw new ServerStartError(`${options.name} ${what}: ${reason(log)} (all of it: ${options.log})`, log);
}

/**
 * Calls `start` with the port asked for, or with free ones until one is still free when the server takes it.
 *
 * @throws Error in one line when the port asked for is taken
 */
export async function startOnPort<T>(
  name: string,
  port: number | undefined,
  start: (port: number) => Promise<T>,
): Promise<T> {
  if (port !== undefined) await assertPortFree(port, name);
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(port ?? (await freePort()));
    } catch (error) {
      const taken = error instanceof ServerStartError && /address already in use/i.test(error.log);
      if (!taken || port !== undefined || attempt === 5) throw error;
    }
  }
}
