import { existsSync, openSync, readFileSync, writeSync } from 'node:fs';

/** What the stand-in daemon did. `run` and `connection` only grow, over restarts with the same log file too. */
type LogEvent =
  | { event: 'listening'; pid: number; socket: string }
  | { event: 'connect'; connection: number }
  | { event: 'request'; connection: number; line: string }
  | { event: 'start'; run: number; connection: number; line: string; words: string[] }
  /** `exit` is null for a run that was cut short: the process was told to stop, or failed at it. */
  | { event: 'end'; run: number; exit: number | null }
  | { event: 'reply'; connection: number; bytes: number }
  | { event: 'disconnect'; connection: number; by: 'client' | 'daemon' };

/** `at` is CLOCK_MONOTONIC in nanoseconds, as text: logs of several processes of one machine compare. */
export type LogEntry = { at: string } & LogEvent;

/** Reads a whole log file; none yet is an empty log. Throws on a line that is not JSON. */
export function readLogEntries(file: string): LogEntry[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  lines.pop();
  return lines.map((line, index) => {
    try {
      return JSON.parse(line) as LogEntry;
    } catch (error) {
      throw new Error(`line ${index + 1} of the log ${file} is not JSON; move the file away`, { cause: error });
    }
  });
}

/**
 * JSON lines, each written before the call returns, so that a killed process loses none of what it did.
 * Without a file it only counts.
 */
export class EventLog {
  readonly #monotonic: () => bigint;
  readonly #descriptor: number | null;
  #lastRun = 0;
  #lastConnection = 0;

  constructor(file: string | null, monotonic: () => bigint) {
    this.#monotonic = monotonic;
    for (const entry of file === null ? [] : readLogEntries(file)) {
      if (entry.event === 'start') this.#lastRun = Math.max(this.#lastRun, entry.run);
      if (entry.event === 'connect') this.#lastConnection = Math.max(this.#lastConnection, entry.connection);
    }
    this.#descriptor = file === null ? null : openSync(file, 'a');
  }

  /** Returns the time of the entry. */
  write(event: LogEvent): string {
    const at = this.#monotonic().toString();
    if (this.#descriptor !== null) writeSync(this.#descriptor, `${JSON.stringify({ at, ...event })}\n`);
    return at;
  }

  nextRun(): number {
    this.#lastRun += 1;
    return this.#lastRun;
  }

  nextConnection(): number {
    this.#lastConnection += 1;
    return this.#lastConnection;
  }
}
