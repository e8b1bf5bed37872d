import type { Finding, Invariant } from './finding.ts';
import type { History } from './history.ts';
import type { PhaseEntry, ProcessRecord } from './records.ts';

/** What happened in a run, and what was wrong, in figures. */
export type Counts = {
  posted: number;
  accepted: number;
  /** Lines that reached a daemon. */
  sent: number;
  succeeded: number;
  failed: number;
  lost: number;
  timed_out: number;
  canceled: number;
  /** Failed, as their server was not configured any more. */
  server_removed: number;
  late_results: number;
  callbacks: number;
  missing: number;
  duplicates: number;
  reordered: number;
  overlaps: number;
  other_findings: number;
  faults: Record<string, number>;
  /** SIGKILLs: of workers by the step at which they struck or at random, and of web processes. */
  kills: Record<string, number>;
  worker_kills: number;
  worker_kills_with_queue: number;
};

const figures: Partial<Record<Invariant, 'missing' | 'duplicates' | 'reordered' | 'overlaps'>> = {
  missing: 'missing',
  not_final: 'missing',
  sent_twice: 'duplicates',
  two_commands_of_one_key: 'duplicates',
  reordered: 'reordered',
  ids_out_of_order: 'reordered',
  overlap: 'overlaps',
};

export function countRecords(history: History, findings: readonly Finding[]): Counts {
  const { lines, commands, callbacks, faults, processes } = history.records;
  const killed = processes.filter(({ asked, endedAt }) => asked === 'kill' && endedAt !== null);
  const workers = killed
    .filter(({ role }) => role === 'worker')
    .map((process) => ({ process, step: stepOf(history, process) }));
  const found = (figure: string) =>
    findings.filter(({ invariant }) => (figures[invariant] ?? 'other') === figure).length;
  const inState = (state: string) => commands.filter((command) => command.state === state).length;
  return {
    posted: lines.length,
    accepted: lines.filter(({ acceptedAt }) => acceptedAt !== null).length,
    sent: lines.filter(({ line }) => history.arrivalsOf(line).length > 0).length,
    succeeded: inState('succeeded'),
    failed: inState('failed'),
    lost: inState('lost'),
    timed_out: inState('timed_out'),
    canceled: inState('canceled'),
    server_removed: commands.filter(({ reason }) => reason === 'server_removed').length,
    late_results: commands.filter(({ late_result_data }) => late_result_data !== null).length,
    callbacks: callbacks.length,
    missing: found('missing'),
    duplicates: found('duplicates'),
    reordered: found('reordered'),
    overlaps: found('overlaps'),
    other_findings: found('other'),
    faults: tally(faults.map(({ kind }) => kind)),
    kills: tally([
      ...workers.map(({ step }) => step?.phase ?? 'random'),
      ...killed.filter(({ role }) => role === 'web').map(() => 'web'),
    ]),
    worker_kills: workers.length,
    worker_kills_with_queue: workers.filter(({ process, step }) => hitQueue(history, process, step)).length,
  };
}

/** The step at which a worker killed itself, where it did. */
function stepOf(history: History, { process }: ProcessRecord): PhaseEntry | undefined {
  return history.records.phases.find((entry) => entry.process === process && entry.signal === 'SIGKILL');
}

/**
 * Whether commands waited, beside the one in hand, when a worker was killed: for the server that it was at, else for
 * those whose lease it held; where it held none, for any.
 */
function hitQueue(history: History, { process, endedAt }: ProcessRecord, step: PhaseEntry | undefined): boolean {
  const at = step?.at ?? endedAt ?? 0;
  const held = step?.server ? [step.server] : serversHeld(history, process, at);
  return history.records.lines.some(({ line, server, acceptedAt, tokens }) => {
    if (acceptedAt === null || acceptedAt > at || !(held.length === 0 || held.includes(server))) return false;
    const [token = ''] = tokens;
    if (token === step?.token) return false;
    const [arrival] = history.arrivalsOf(line);
    return arrival === undefined ? history.finalSeenAt(token) > at : arrival.at > at;
  });
}

function serversHeld(history: History, process: number, at: number): string[] {
  const held = new Set<string>();
  for (const change of history.records.leases) {
    if (change.process !== process || change.at > at) continue;
    if (change.kind === 'taken') held.add(change.server);
    else held.delete(change.server);
  }
  return [...held];
}

function tally(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of [...names].sort()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
