/**
 * What a chaos run leaves behind, and all that the checker reads. Times are milliseconds of CLOCK_MONOTONIC, which is
 * one clock for all processes of a machine.
 */
import type { WireCommand } from '../../lib/command.ts';
import type { LogEntry } from '../../lib/local/stand-in/event-log.ts';
import type { RunPhase } from '../../worker/context.ts';

/** What the daemon was asked to do with a line, where it still knew of it when the line came. */
export type Behaviour =
  | 'plain'
  /** Dokku says no, in its usual form. */
  | 'refused'
  | 'slow'
  /** The answer comes after the command's timeout. */
  | 'late'
  /** The connection stays open without an answer. */
  | 'silent'
  /** Much output, or the answer a byte at a time. */
  | 'large'
  | 'dribbled'
  /** No whole answer line: the connection ends unread, at the start, at the answer, before its newline, within it. */
  | 'closed_unread'
  | 'closed_at_start'
  | 'closed_at_reply'
  | 'no_newline'
  | 'cut_off'
  /** A line that is no answer. */
  | 'garbage';

/** Behaviours after which the outcome is unknown to whoever sent the line. */
export const unanswering: ReadonlySet<Behaviour> = new Set<Behaviour>([
  'closed_unread',
  'closed_at_start',
  'closed_at_reply',
  'no_newline',
  'cut_off',
  'garbage',
]);

/** A try at POSTing a line: all tries of one line bear one Idempotency-Key. */
export type PostTry = { sentAt: number; answeredAt: number | null; status: number | null; error: string | null };

export type PostedLine = {
  line: string;
  /** Stands in the line, and in what Dokku prints for it. */
  mark: string;
  server: string;
  behaviour: Behaviour;
  timeoutSeconds: number;
  callbackUrl: string | null;
  tries: PostTry[];
  /** When the first 2xx was answered in full; null: never. */
  acceptedAt: number | null;
  /** Of each 2xx answer. */
  tokens: string[];
  ids: number[];
  cancel: { sentAt: number; answeredAt: number | null; status: number | null } | null;
};

/**
 * A form in which a command was seen. A channel is one that shows states in order: the answers to requests are one, an
 * event stream is one each.
 */
export type Observation = {
  channel: string;
  token: string;
  command: WireCommand;
  /** The earliest end of an answer that held it. */
  firstAt: number;
  /** The latest begin of a request whose answer held it. */
  lastFrom: number;
};

export type DeliveryAnswer = {
  webhook_id: string | null;
  state: 'pending' | 'delivered' | 'dead' | null;
  next_attempt_at: string | null;
  attempts: { number: number; status: number | null; error: string | null }[];
};

export type ReceivedCallback = { at: number; url: string; webhookId: string; body: string; status: number | null };

/** A worker passed a step of a run. Processes are named by their number among all that the run started. */
export type PhaseEntry = {
  at: number;
  process: number;
  phase: RunPhase;
  token: string | null;
  server: string | null;
  epoch: number | null;
  /** When the worker last looked at its clock before the last time: with `sent`, its last look at the lease. */
  lookedAt: number | null;
  /** The signal that it sent itself, having been told to at this step. */
  signal: 'SIGKILL' | 'SIGSTOP' | null;
};

/** Shorter ones are not told of. */
export const shortestStallMs = 600;
/** A process was not run for a while, by a signal or for want of a processor. */
export type Stall = { process: number; from: number; until: number };

export type ProcessRecord = {
  process: number;
  /** The place it fills: `worker-1`, `web-2`. */
  place: string;
  role: 'web' | 'worker';
  startedAt: number;
  endedAt: number | null;
  signal: string | null;
  code: number | null;
  /** Whether anybody wanted its end: by SIGKILL, or by SIGTERM. */
  asked: 'kill' | 'stop' | null;
  /** The servers that it has configured. */
  servers: string[];
};

/** A worker logged that a lease became its own, or ceased to be. */
export type LeaseChange = {
  at: number;
  process: number;
  server: string;
  /** Null with `abandoned`. */
  epoch: number | null;
  /** Abandoned: its release was not recorded, so that it runs out though its owner may live. */
  kind: 'taken' | 'lost' | 'released' | 'abandoned';
  /** From which process it was taken; null: it was free. */
  from: number | null;
};

/** What was done to the installation. A worker's death at a step stands in the phases. */
export type Fault = {
  kind: string;
  at: number;
  until: number;
  /** The processes that it struck alone; empty where it struck none, or all. */
  processes: number[];
  /** The server whose daemon it struck, or that was removed or added. */
  server: string | null;
  /** A daemon's restart that took the lock away from what ran. */
  dropsLock: boolean;
};

export type Records = {
  leaseMs: number;
  /** For so long a server must be on no living worker's list before its commands are ended. */
  removedAfterMs: number;
  /** Begin and end of the run by the machine's wall clock, in milliseconds since 1970. */
  wallClock: { from: number; until: number };
  servers: string[];
  lines: PostedLine[];
  observations: Observation[];
  /** Every command, by the API, when all was over. */
  commands: WireCommand[];
  /** By token, of the commands with a callback. */
  deliveries: Record<string, DeliveryAnswer>;
  callbacks: ReceivedCallback[];
  /** By server. */
  daemons: Record<string, LogEntry[]>;
  phases: PhaseEntry[];
  stalls: Stall[];
  leases: LeaseChange[];
  processes: ProcessRecord[];
  faults: Fault[];
};
