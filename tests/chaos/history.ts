import type { LogEntry } from '../../lib/local/stand-in/event-log.ts';
import type { PhaseEntry, PostedLine, Records } from './records.ts';

/** A line that a daemon read in full. Times are milliseconds of CLOCK_MONOTONIC. */
export type Arrival = {
  server: string;
  line: string;
  at: number;
  /** When Dokku was done with it; infinity where that is not seen. */
  endsAt: number;
  /** When the answer, or a part of it, was written. */
  repliedAt: number | null;
};

type Open = Arrival & { started: boolean };

/** What one server's daemon was sent, in the order of arrival. */
function readArrivals(server: string, log: readonly LogEntry[]): Arrival[] {
  const arrivals: Open[] = [];
  const byConnection = new Map<number, Open>();
  const byRun = new Map<number, Open>();
  for (const entry of log) {
    const at = Number(BigInt(entry.at)) / 1e6;
    switch (entry.event) {
      case 'listening':
        // The process is a new one: with the old one ended whatever ran in it.
        for (const open of arrivals) if (open.endsAt === Number.POSITIVE_INFINITY) open.endsAt = at;
        byConnection.clear();
        byRun.clear();
        break;
      case 'request': {
        const arrival = {
          server,
          line: entry.line,
          at,
          endsAt: Number.POSITIVE_INFINITY,
          repliedAt: null,
          started: false,
        };
        arrivals.push(arrival);
        byConnection.set(entry.connection, arrival);
        break;
      }
      case 'start': {
        const open = byConnection.get(entry.connection);
        if (open === undefined) break;
        open.started = true;
        open.endsAt = Number.POSITIVE_INFINITY;
        byRun.set(entry.run, open);
        break;
      }
      case 'end': {
        const open = byRun.get(entry.run);
        if (open !== undefined) open.endsAt = at;
        break;
      }
      case 'reply': {
        const open = byConnection.get(entry.connection);
        if (open === undefined) break;
        open.repliedAt ??= at;
        if (!open.started) open.endsAt = at;
        break;
      }
      case 'disconnect': {
        const open = byConnection.get(entry.connection);
        if (open !== undefined && !open.started && open.repliedAt === null) open.endsAt = at;
        break;
      }
    }
  }
  return arrivals.map(({ started, ...arrival }) => arrival);
}

/** The records, looked up by what they are about. */
export class History {
  readonly records: Records;
  /** By server, posted lines only. */
  readonly arrivals = new Map<string, Arrival[]>();
  readonly #arrivalsOfLine = new Map<string, Arrival[]>();
  readonly #phasesOfToken = new Map<string, PhaseEntry[]>();
  readonly #lines: Map<string, PostedLine>;
  readonly #finalSeenAt = new Map<string, number>();

  constructor(records: Records) {
    this.records = records;
    this.#lines = new Map(records.lines.map((posted) => [posted.line, posted]));
    for (const [server, log] of Object.entries(records.daemons)) {
      const arrivals = readArrivals(server, log).filter(({ line }) => this.#lines.has(line));
      this.arrivals.set(server, arrivals);
      for (const arrival of arrivals) push(this.#arrivalsOfLine, arrival.line, arrival);
    }
    for (const entry of records.phases) if (entry.token !== null) push(this.#phasesOfToken, entry.token, entry);
    for (const { channel, token, command, firstAt } of records.observations) {
      if (channel !== 'answers' || command.ran_at === null) continue;
      this.#finalSeenAt.set(token, Math.min(firstAt, this.#finalSeenAt.get(token) ?? firstAt));
    }
  }

  /** How often, where and when a line came to a daemon. */
  arrivalsOf(line: string): readonly Arrival[] {
    return this.#arrivalsOfLine.get(line) ?? [];
  }

  phasesOf(token: string): readonly PhaseEntry[] {
    return this.#phasesOfToken.get(token) ?? [];
  }

  posted(line: string): PostedLine | undefined {
    return this.#lines.get(line);
  }

  /** When a command was first seen final; infinity: never. */
  finalSeenAt(token: string): number {
    return this.#finalSeenAt.get(token) ?? Number.POSITIVE_INFINITY;
  }

  /**
   * Promise 3's gap: the worker that wrote this line stood still between its last look at the lease and the write for
   * longer than the part of the lease that is kept for that.
   */
  writtenAfterFreeze(line: string): boolean {
    const tokens = this.posted(line)?.tokens ?? [];
    return tokens.some((token) => this.phasesOf(token).some((entry) => this.frozenBeforeWrite(entry)));
  }

  frozenBeforeWrite({ phase, at, lookedAt }: PhaseEntry): boolean {
    return phase === 'sent' && lookedAt !== null && at - lookedAt > 0.3 * this.records.leaseMs;
  }
}

function push<Key, Value>(map: Map<Key, Value[]>, key: Key, value: Value): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else values.push(value);
}
