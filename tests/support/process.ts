import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { afterAll } from 'vitest';
import { endProcess } from '../../lib/local/process-table.ts';
import type { Exit } from '../../lib/local/server-process.ts';

export { freePort } from '../../lib/local/port.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface WaitOptions {
  /** Milliseconds; 10,000 where it is not given. */
  timeout?: number;
  /** What is waited for, for the message when it does not come. */
  describe: string | (() => string);
}

type Truthy<T> = Exclude<T, false | null | undefined | 0 | ''>;

/**
 * Looks again and again until `condition` gives something true, and returns that. An error that it throws counts as
 * "not yet".
 *
 * @throws Error at the time-out, saying what was seen last
 */
export async function waitFor<T>(condition: () => T | Promise<T>, options: WaitOptions): Promise<Truthy<T>> {
  const timeout = options.timeout ?? 10_000;
  let seen = 'nothing, as the condition never answered';
  let cause: unknown;
  let late = false;
  let timer: NodeJS.Timeout | undefined;
  const timedOut = new Promise<null>((resolve) => {
    timer = setTimeout(() => {
      late = true;
      resolve(null);
    }, timeout);
  });
  const look = async (): Promise<Truthy<T> | null> => {
    try {
      const value = await condition();
      if (value) return value as Truthy<T>;
      seen = inspect(value, { depth: 4, breakLength: 120 });
      cause = undefined;
    } catch (error) {
      seen = String(error);
      cause = error;
    }
    await sleep(10);
    return null;
  };
  try {
    while (!late) {
      const value = await Promise.race([look(), timedOut]);
      if (value !== null) return value;
    }
  } finally {
    clearTimeout(timer);
  }
  const what = typeof options.describe === 'string' ? options.describe : options.describe();
  throw new Error(`Waited ${timeout} ms for ${what}; last seen: ${seen}`, { cause });
}

/** A JSON line of a process's log. */
type LogEntry = Record<string, unknown>;

export interface ProcessOptions {
  /** A source file from the project's root, as `worker/main.ts`; of the build where DOKKU_API_DIST is 1. */
  script: string;
  args?: readonly string[];
  /** The whole environment, but for PATH and HOME. */
  env?: Record<string, string>;
  /** A process group of its own, as a terminal gives it; signals then go to all of it, as Ctrl-C does. */
  ownGroup?: boolean;
}

export interface TestProcess {
  readonly pid: number;
  /** What it printed on stdout, and on stderr. */
  stdout(): string;
  stderr(): string;
  /** The whole lines printed so far on either. */
  lines(): readonly string[];
  /** The lines that are JSON objects, parsed. */
  entries(): readonly LogEntry[];
  /** Waits for a log entry, one printed before included; fails at once when the process ends without it. */
  waitForLog(predicate: (entry: LogEntry) => boolean, timeout?: number): Promise<LogEntry>;
  signal(name: NodeJS.Signals): void;
  /** Settles when it has ended and its output is read. */
  readonly exit: Promise<Exit>;
  /** SIGTERM, and after 10 s SIGKILL; done after the file in any case. */
  stop(): Promise<Exit>;
}

const running = new Set<TestProcess>();

afterAll(async () => {
  await Promise.all([...running].map((process) => process.stop()));
});

/** Where the test runner itself fails, no hook is called any more. */
process.once('exit', () => {
  for (const { pid } of running) process.kill(pid, 'SIGKILL');
});

function nodeArguments(script: string): string[] {
  const built = process.env.DOKKU_API_DIST === '1' && !script.startsWith('tests/');
  if (built) return [join(root, 'dist', script.replace(/\.tsx?$/, '.js'))];
  return ['--import', import.meta.resolve('tsx'), join(root, script)];
}

/** Resolves with the end of a process, and its output read where nobody else still holds the pipe. */
async function ending(child: ChildProcess): Promise<Exit> {
  const closed = new Promise((resolve) => child.once('close', resolve));
  const exit = await new Promise<Exit>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  await Promise.race([closed, sleep(500)]);
  return exit;
}

/** Starts a process of ours, as the Procfile would, from the sources or the build. */
export function startProcess(options: ProcessOptions): TestProcess {
  const child = spawn(process.execPath, [...nodeArguments(options.script), ...(options.args ?? [])], {
    cwd: root,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: options.ownGroup ?? false,
  });
  const pid = child.pid;
  if (pid === undefined) throw new Error(`${options.script} could not be started`);

  const lines: string[] = [];
  const entries: LogEntry[] = [];
  let parsed = 0;
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    let rest = '';
    child[name].setEncoding('utf8');
    child[name].on('data', (chunk: string) => {
      text[name] += chunk;
      const parts = (rest + chunk).split('\n');
      rest = parts.pop() ?? '';
      lines.push(...parts);
    });
  }

  let over = false;
  const exit = ending(child).finally(() => {
    over = true;
    running.delete(started);
  });
  const started: TestProcess = {
    pid,
    exit,
    stdout: () => text.stdout,
    stderr: () => text.stderr,
    lines: () => lines,
    entries: () => {
      for (; parsed < lines.length; parsed++) {
        const line = lines[parsed] ?? '';
        if (line.startsWith('{')) entries.push(JSON.parse(line) as LogEntry);
      }
      return entries;
    },
    waitForLog: async (predicate, timeout = 10_000) => {
      const tail = () => `${options.script} printed:\n${lines.slice(-30).join('\n')}\n`;
      const found = await waitFor(
        () => {
          const ended = over;
          return started.entries().find(predicate) ?? (ended ? 'ended' : null);
        },
        { timeout, describe: () => `a log entry; ${tail()}` },
      );
      if (typeof found === 'string') throw new Error(`The process ended without the log entry; ${tail()}`);
      return found;
    },
    signal: (name) => {
      process.kill(options.ownGroup ? -pid : pid, name);
    },
    stop: async () => {
      if (!over) {
        await endProcess(pid, [
          ['SIGTERM', 10_000],
          ['SIGKILL', 5_000],
        ]);
      }
      return exit;
    },
  };
  running.add(started);
  return started;
}
