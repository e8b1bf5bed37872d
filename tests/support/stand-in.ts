import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from 'vitest';
import { type LogEntry, readLogEntries } from '../../lib/local/stand-in/event-log.ts';
import { startProcess, type TestProcess, waitFor } from './process.ts';
import { exchangeLine, type Match, StandInControl } from './stand-in-control.ts';

export interface StandInOptions {
  /** Default: `run/dokku-daemon.sock` in a temporary folder of its own. */
  socket?: string;
  /** Apps and the host's files. Default: in the temporary folder. */
  state?: string;
  log?: string;
  control?: string;
  /** Milliseconds; default: the stand-in's own (6 and 12), as the real one takes. */
  connectMs?: number;
  commandMs?: number;
}

/** A dokku run as the log tells it. Times are CLOCK_MONOTONIC nanoseconds. */
export interface Run {
  run: number;
  connection: number;
  line: string;
  words: string[];
  startedAt: bigint;
  /** Null while it runs, and for ever where the process was killed meanwhile. */
  endedAt: bigint | null;
  exit: number | null;
}

const started: StandIn[] = [];
const folders: string[] = [];

afterAll(async () => {
  await Promise.all(started.map((standIn) => standIn.stop()));
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/**
 * Starts a stand-in daemon as a process of its own; resolves when it listens. It ends after the test file.
 *
 * @throws Error with what it printed, where it ends before it listens
 */
export async function startStandIn(options: StandInOptions = {}): Promise<StandIn> {
  const standIn = new StandIn(options);
  started.push(standIn);
  await standIn.restart();
  return standIn;
}

export class StandIn extends StandInControl {
  readonly socketPath: string;
  readonly statePath: string;
  readonly logPath: string;
  readonly #args: string[];
  #process: TestProcess | null = null;

  constructor(options: StandInOptions) {
    const folder = mkdtempSync(join(tmpdir(), 'stand-in-'));
    folders.push(folder);
    super(options.control ?? join(folder, 'control.sock'));
    // the socket has a folder to itself: `*` in a request names what lies beside it
    this.socketPath = options.socket ?? join(folder, 'run', 'dokku-daemon.sock');
    this.statePath = options.state ?? join(folder, 'state');
    this.logPath = options.log ?? join(folder, 'log.jsonl');
    mkdirSync(dirname(this.socketPath), { recursive: true });
    const { connectMs, commandMs } = options;
    this.#args = ['--socket', this.socketPath, '--state', this.statePath];
    this.#args.push('--log', this.logPath, '--control', this.controlPath);
    if (connectMs !== undefined) this.#args.push('--connect-ms', String(connectMs));
    if (commandMs !== undefined) this.#args.push('--command-ms', String(commandMs));
  }

  /** Where a request's absolute paths lie on the real disk. */
  get hostRoot(): string {
    return join(this.statePath, 'host');
  }

  /** Null while no process runs. */
  get pid(): number | null {
    return this.#process?.pid ?? null;
  }

  /** Starts the process anew over the same state, log and socket path; ends it in order first where it still runs. */
  async restart(): Promise<void> {
    await this.stop();
    const process = startProcess({ script: 'lib/local/stand-in/main.ts', args: this.#args });
    this.#process = process;
    const printed = (): string => `it printed:\n${process.stdout()}${process.stderr()}`;
    const ended = process.exit.then((exit) => {
      if (this.#process === process) this.#process = null;
      throw new Error(`the stand-in daemon ended (${exit.signal ?? exit.code}) before it listened; ${printed()}`);
    });
    const ready = waitFor(() => process.lines().some((line) => line.startsWith('stand-in daemon: listening on ')), {
      timeout: 20_000,
      describe: () => `the stand-in daemon to listen; ${printed()}`,
    });
    await Promise.race([ready, ended]);
  }

  /**
   * Sends a signal and, but for SIGSTOP and SIGCONT, waits until the process has ended. SIGKILL leaves the socket file
   * behind and the run without an end in the log, as a killed daemon does.
   */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.#process === null) throw new Error('the stand-in daemon does not run; restart() it first');
    this.#process.signal(signal);
    if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await this.#process.exit;
  }

  /** Ends the process in order; nothing to do where it does not run. Its log can still be read. */
  async stop(): Promise<void> {
    const process = this.#process;
    if (process === null) return;
    process.signal('SIGCONT');
    await process.stop();
  }

  logEntries(): LogEntry[] {
    return readLogEntries(this.logPath);
  }

  /** How often a request line reached it in full. */
  timesSent(line: string): number {
    return this.logEntries().filter((entry) => entry.event === 'request' && entry.line === line).length;
  }

  /** Every run so far, in the order started. */
  runs(): Run[] {
    const runs = new Map<number, Run>();
    for (const entry of this.logEntries()) {
      if (entry.event === 'start') {
        const { run, connection, line, words } = entry;
        runs.set(run, { run, connection, line, words, startedAt: BigInt(entry.at), endedAt: null, exit: null });
      } else if (entry.event === 'end') {
        const run = runs.get(entry.run);
        if (run === undefined) throw new Error(`run ${entry.run} ends in ${this.logPath} without a start`);
        run.endedAt = BigInt(entry.at);
        run.exit = entry.exit;
      }
    }
    return [...runs.values()];
  }

  /** Resolves to the first log entry, past ones included, that the predicate takes. */
  waitForEntry(predicate: (entry: LogEntry) => boolean, timeout = 5_000): Promise<LogEntry> {
    return waitFor(() => this.logEntries().find(predicate), { timeout, describe: 'an entry of the stand-in log' });
  }

  /** Resolves to the first run, past ones included, of a line that matches, as soon as it has started. */
  waitForRun(match: Match, timeout = 5_000): Promise<Run> {
    const matches = (line: string): boolean => (typeof match === 'string' ? line === match : match.test(line));
    return waitFor(() => this.runs().find((run) => matches(run.line)), { timeout, describe: `a run of ${match}` });
  }

  /** One request on a connection of its own; resolves to the reply line, without its newline, as it came. */
  async send(line: string, timeout = 20_000): Promise<string> {
    return (await exchangeLine(this.socketPath, `${line}\n`, timeout)).toString('utf8');
  }
}
