/** Records made by hand, for the tests of the checker: of a run in which nothing went wrong, and what to do to them. */
import type { WireCommand } from '../../lib/command.ts';
import type { LogEntry } from '../../lib/local/stand-in/event-log.ts';
import type { Fault, Observation, PhaseEntry, PostedLine, ProcessRecord, Records } from './records.ts';

export type Told = { command: WireCommand; posted: PostedLine; daemon: LogEntry[] };

export const leaseMs = 2000;
export const worker: ProcessRecord = {
  ...{ process: 3, place: 'worker-1', role: 'worker', startedAt: 0 },
  ...{ endedAt: 90_000, signal: null, code: 0, asked: 'stop', servers: ['default'] },
};
const wallClock = { from: Date.UTC(2026, 0), until: Date.UTC(2026, 0) + 90_000 };
const timeOf = (at: number) => `${new Date(wallClock.from + at).toISOString().slice(0, 19)}+00:00`;
export const successor: ProcessRecord = { ...worker, process: 4, place: 'worker-2' };

/** The n-th command, posted, run and answered in the n-th second. */
export function tell(n: number): Told {
  const mark = `n${n}x`;
  const line = `config:set api CHAOS=${mark}`;
  const at = n * 1000;
  const token = `token-${n}`;
  const callbackUrl = `http://receiver/${mark}`;
  const posted: PostedLine = {
    ...{ line, mark, server: 'default', behaviour: 'plain', timeoutSeconds: 30, callbackUrl },
    tries: [{ sentAt: at, answeredAt: at + 100, status: 202, error: null }],
    ...{ acceptedAt: at + 100, tokens: [token], ids: [n], cancel: null },
  };
  const command: WireCommand = {
    ...{ id: n, token, command: line, created_at: timeOf(at), ran_at: timeOf(at + 301) },
    result_data: { ok: true, output: `CHAOS:  ${mark}` },
    ...{ state: 'succeeded', reason: null, server: 'default', callback_url: callbackUrl, timeout: 30 },
    ...{ started_at: timeOf(at + 200), duration_ms: 100, retry_of: null, result_json: null },
    ...{ late_result_data: null, output_truncated: false, created_by: 'key_1' },
  };
  const daemon: LogEntry[] = [
    { at: nanoseconds(at + 200), event: 'request', connection: n, line },
    { at: nanoseconds(at + 210), event: 'start', run: n, connection: n, line, words: [] },
    { at: nanoseconds(at + 300), event: 'end', run: n, exit: 0 },
    { at: nanoseconds(at + 301), event: 'reply', connection: n, bytes: 40 },
    { at: nanoseconds(at + 302), event: 'disconnect', connection: n, by: 'client' },
  ];
  return { command, posted, daemon };
}

function nanoseconds(ms: number): string {
  return String(BigInt(Math.round(ms * 1000)) * 1000n);
}

/** Records of a run in which these happened, by the end of which all was seen once. */
export function recordsOf(told: readonly Told[], changes: Partial<Records> = {}): Records {
  return {
    leaseMs,
    removedAfterMs: 4000,
    wallClock,
    servers: ['default'],
    lines: told.map(({ posted }) => posted),
    observations: told.map(({ command }) => seen(command, 80_000)),
    commands: told.map(({ command }) => command),
    deliveries: Object.fromEntries(told.map(({ command }) => [command.token, delivered(command)])),
    callbacks: told.map(({ command }) => called(command)),
    daemons: { default: told.flatMap(({ daemon }) => daemon).sort((a, b) => Number(BigInt(a.at) - BigInt(b.at))) },
    ...{ phases: [], stalls: [], leases: [], processes: [worker, successor], faults: [] },
    ...changes,
  };
}

export const seen = (command: WireCommand, at: number, channel = 'answers'): Observation => ({
  ...{ channel, token: command.token, command, firstAt: at, lastFrom: at - 1 },
});
export const delivered = ({ token }: WireCommand, state: 'delivered' | 'pending' = 'delivered') => ({
  ...{ webhook_id: `msg-${token}`, state, next_attempt_at: state === 'pending' ? 'soon' : null, attempts: [] },
});
export const called = (command: WireCommand) => ({
  ...{ at: 70_000, url: command.callback_url ?? '', webhookId: `msg-${command.token}`, status: 200 },
  body: JSON.stringify(command),
});
export const step = (
  n: number,
  phase: PhaseEntry['phase'],
  at: number,
  changes: Partial<PhaseEntry> = {},
): PhaseEntry => ({
  ...{ at, process: 3, phase, token: `token-${n}`, server: 'default', epoch: 1, lookedAt: at - 1, signal: null },
  ...changes,
});
export const fault = (kind: string, at: number, until: number, changes: Partial<Fault> = {}): Fault => ({
  ...{ kind, at, until, processes: [], server: null, dropsLock: false },
  ...changes,
});
export const taken = (process: number, epoch: number, at: number, from: number | null) =>
  ({ at, process, server: 'default', epoch, kind: 'taken', from }) as const;

export const lost = (told: Told): Told => ({
  ...told,
  command: {
    ...told.command,
    ...{ state: 'lost', reason: 'command_lost', result_data: { ok: false, output: 'command_lost' } },
  },
});
export const unanswered = (told: Told): Told => ({
  ...told,
  daemon: told.daemon.filter(({ event }) => event !== 'reply'),
});
export const neverSent = (told: Told): Told => ({ ...told, daemon: [] });
/** The same at another time of the daemon's. */
export const moved = (told: Told, byMs: number): Told => ({
  ...told,
  daemon: told.daemon.map((entry) => ({ ...entry, at: nanoseconds(Number(BigInt(entry.at)) / 1e6 + byMs) })),
});
