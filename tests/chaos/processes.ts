import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { monotonicMs } from './clock.ts';
import type { ProcessRecord } from './records.ts';

/** Longer than the longest outage that a worker waits for, to store what it has in hand. */
const stopsWithinMs = 30_000;
const running = new Set<ChildProcess>();

/** Ends whatever was started and still runs, in whatever state it is. */
export async function killAll(): Promise<void> {
  const ends = [...running].map((child) => once(child, 'exit'));
  for (const child of running) child.kill('SIGKILL');
  await Promise.all(ends);
}

/** Where the test runner itself fails, nothing else is called any more. */
process.once('exit', () => void killAll());

export type SpawnOptions = {
  /** A built file. */
  script: string;
  args?: readonly string[];
  env?: Record<string, string>;
  /** Takes what it prints. */
  log: string;
};

/** Starts a built process of ours. Its standard input ends with us. */
export function spawnBuilt({ script, args = [], env = {}, log }: SpawnOptions): ChildProcess {
  const output = openSync(log, 'a');
  const child = spawn(process.execPath, [script, ...args], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ['pipe', output, output],
  });
  closeSync(output);
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** A process of a place, from its start to its end. */
export class RunningProcess {
  readonly record: ProcessRecord;
  readonly log: string;
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  #ready = false;

  constructor(options: {
    number: number;
    place: string;
    role: ProcessRecord['role'];
    script: string;
    env: Record<string, string>;
    servers: readonly string[];
    folder: string;
  }) {
    const { number, place, role, script, env, servers, folder } = options;
    this.log = join(folder, `${place}-${number}.log`);
    const startedAt = monotonicMs();
    this.record = {
      ...{ process: number, place, role, startedAt, servers: [...servers] },
      ...{ endedAt: null, signal: null, code: null, asked: null },
    };
    this.#child = spawnBuilt({ script, env, log: this.log });
    this.ended = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => {
        Object.assign(this.record, { endedAt: monotonicMs(), code, signal });
        resolve();
      });
    });
  }

  get alive(): boolean {
    return this.record.endedAt === null;
  }

  /** Whether it says that it does its work. */
  get ready(): boolean {
    const said = this.record.role === 'web' ? '"listening"' : '"worker started"';
    this.#ready ||= readFileSync(this.log, 'utf8').includes(said);
    return this.#ready && this.alive;
  }

  /** Without a signal, or any wish of ours. */
  get endedByItself(): boolean {
    return this.record.asked === null && this.record.code !== null;
  }

  kill(): void {
    this.record.asked = 'kill';
    this.#child.kill('SIGKILL');
  }

  /** It has killed itself, having been told to. */
  markKilled(): void {
    this.record.asked = 'kill';
  }

  /** Node forgets on its way out what a signal was to do: no more is sent to one that has said that it stopped. */
  #signal(name: NodeJS.Signals): void {
    if (!/"msg":"(web|worker) stopped"/.test(readFileSync(this.log, 'utf8'))) this.#child.kill(name);
  }

  /** SIGTERM twice, as Dokku does, and SIGKILL where that does not help. */
  stop(): void {
    this.record.asked ??= 'stop';
    this.#signal('SIGTERM');
    this.#signal('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), stopsWithinMs).unref();
    this.#child.once('exit', () => clearTimeout(timer));
  }

  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  unfreeze(): void {
    this.#child.kill('SIGCONT');
  }

  /** Steps its wall clock by an hour; only for one that is ready, as any other would end of the signal. */
  stepClock(hours: 1 | -1): void {
    this.#signal(hours > 0 ? 'SIGUSR2' : 'SIGHUP');
  }
}
