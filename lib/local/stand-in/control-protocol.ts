/**
 * The control channel of the stand-in daemon: its switches for faults, and what it is doing.
 *
 * It is a Unix socket of its own (`--control PATH`). One JSON object a line goes in (a `ControlRequest`), one comes
 * back (a `ControlResponse`), in order. Switches live in memory: a restarted process has none.
 *
 * | op                | does                                                                                        |
 * | ----------------- | ------------------------------------------------------------------------------------------- |
 * | `add-switch`      | changes what happens to the next commands that match; answers its `id`                       |
 * | `remove-switch`   | takes it away again; what it already holds stays held                                        |
 * | `release`         | lets the held commands of one switch (or all) go on, and removes that switch                 |
 * | `known-commands`  | what `dokku help --all` would list; null is the stand-in's own list again                    |
 * | `status`          | open connections, commands running (under the lock) and waiting for the lock                 |
 * | `listener`        | `listening`; `refusing` (socket file left, ECONNREFUSED); `absent` (socket file removed)     |
 * | `end-connections` | closes every open connection without a reply; what runs goes on                              |
 * | `restart`         | as the real one: all connections end without a reply, the file is removed and made anew      |
 * |                   | after `downMs`; what runs goes on, without the lock unless `keepLock`                        |
 * | `reset`           | no switches, nothing held, own command list, listening                                       |
 *
 * A line that arrives is given to the first switch, in the order added, that matches it and is not used up; all parts
 * of that one switch apply.
 */

/** Which request lines a switch is for: the whole line, or a regular expression found in it. Neither: every line. */
interface CommandMatch {
  line?: string;
  pattern?: string;
}

/** What becomes of a reply. Bytes are base64; offsets and lengths count bytes of the reply line. */
export type ReplyFault =
  /** No reply, and the connection stays open. */
  | { kind: 'silent' }
  /** The connection ends without a reply: unread, as the run starts (it goes on), or in place of the reply. */
  | { kind: 'close'; when: 'before-run' | 'at-start' | 'at-reply' }
  /** The whole reply but its newline, then the connection ends. */
  | { kind: 'no-newline' }
  /** The first `bytes` of the reply, then the connection ends. */
  | { kind: 'cut-off'; bytes: number }
  /** These bytes in place of the reply, nothing added. */
  | { kind: 'garbage'; base64: string; close?: boolean }
  /** The reply in pieces that end at these offsets, `pauseMs` apart. */
  | { kind: 'pieces'; cuts: number[]; pauseMs: number }
  /** One write a byte. */
  | { kind: 'byte-by-byte'; pauseMs?: number };

export interface CommandSwitch {
  match?: CommandMatch;
  /** How many lines it is for; default 1. */
  times?: number | 'always';
  /** What dokku prints and its exit code, in place of the stand-in's own answer. */
  dokku?: { stdoutBase64?: string; stderrBase64?: string; exit?: number };
  /** So many bytes of output in place of dokku's own, `fill` (default `x`) over and over. */
  output?: { bytes: number; fill?: string };
  /** The run does not end, and keeps the lock, until it is released. */
  hold?: boolean;
  /** The run takes so much longer, in milliseconds, under the lock. */
  delayMs?: number;
  reply?: ReplyFault;
}

export type ListenerMode = 'listening' | 'refusing' | 'absent';

export type ControlRequest =
  | { op: 'add-switch'; switch: CommandSwitch }
  | { op: 'remove-switch'; id: number }
  | { op: 'release'; id?: number }
  | { op: 'known-commands'; commands: string[] | null }
  | { op: 'status' }
  | { op: 'listener'; mode: ListenerMode; endConnections?: boolean }
  | { op: 'end-connections' }
  | { op: 'restart'; downMs?: number; keepLock?: boolean }
  | { op: 'reset' };

/**
 * A dokku that runs under the lock. `since` is CLOCK_MONOTONIC in nanoseconds, as in the log; `switchId` is the switch
 * that its line was given to. A held one goes on when it is released: by its switch, or with all.
 */
export interface RunningCommand {
  run: number;
  connection: number;
  line: string;
  since: string;
  switchId: number | null;
  held: boolean;
}

export interface Status {
  pid: number;
  listener: ListenerMode;
  connections: number;
  running: RunningCommand[];
  /** Lines that wait for the lock, in their order. */
  waiting: { connection: number; line: string }[];
}

/** What each op answers. */
export interface ControlResults {
  'add-switch': { id: number };
  'remove-switch': { removed: boolean };
  release: { released: number };
  'known-commands': Record<never, never>;
  status: Status;
  listener: Record<never, never>;
  'end-connections': { ended: number };
  restart: Record<never, never>;
  reset: Record<never, never>;
}

export type ControlOperation = ControlRequest['op'];

export type ControlResponse = { ok: true; result: ControlResults[ControlOperation] } | { ok: false; error: string };
