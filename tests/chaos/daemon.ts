import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ControlRequest, ControlResults } from '../../lib/local/stand-in/control-protocol.ts';
import { type LogEntry, readLogEntries } from '../../lib/local/stand-in/event-log.ts';
import { waitFor } from '../support/process.ts';
import { StandInControl } from '../support/stand-in-control.ts';
import { spawnBuilt } from './processes.ts';

/** Long enough for faults to strike while Dokku is at work, short enough for thousands of commands. */
const commandMs = 100;
const patienceMs = 30_000;

/** A server's stand-in daemon, which can be killed and started again over the same socket path, state and log. */
export class ChaosDaemon extends StandInControl {
  readonly socketPath: string;
  readonly #folder: string;
  readonly #build: string;
  #child: ChildProcess | undefined;

  constructor(folder: string, build: string) {
    super(join(folder, 'control.sock'));
    this.#folder = folder;
    this.#build = build;
    mkdirSync(join(folder, 'run'), { recursive: true });
    this.socketPath = join(folder, 'run', 'dokku-daemon.sock');
  }

  /** With more patience than usual, since all of a run's processes share the machine. */
  override control<R extends ControlRequest>(request: R): Promise<ControlResults[R['op']]> {
    return super.control(request, patienceMs);
  }

  get alive(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Starts it where it does not run; resolves when it answers. */
  async start(): Promise<void> {
    if (this.alive) return;
    const child = spawnBuilt({
      script: join(this.#build, 'lib/local/stand-in/main.js'),
      args: [
        ...['--socket', this.socketPath, '--state', join(this.#folder, 'state'), '--log', this.#logPath],
        ...['--control', this.controlPath, '--command-ms', String(commandMs), '--end-with-stdin'],
      ],
      log: join(this.#folder, 'output.log'),
    });
    this.#child = child;
    await waitFor(async () => (await this.status()).pid === child.pid, {
      timeout: patienceMs,
      describe: `the daemon in ${this.#folder}`,
    });
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.alive) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  /** Stops it where it is: it takes connections, and answers nothing. */
  freeze(): void {
    this.#child?.kill('SIGSTOP');
  }

  unfreeze(): void {
    this.#child?.kill('SIGCONT');
  }

  log(): LogEntry[] {
    return readLogEntries(this.#logPath);
  }

  get #logPath(): string {
    return join(this.#folder, 'log.jsonl');
  }
}
