/** Promise 2: `lost` is only what a fault made so, and each fault can have made so one command of a server. */
import type { WireCommand } from '../../lib/command.ts';
import type { Finding } from './finding.ts';
import type { Arrival, History } from './history.ts';
import { type Fault, type PhaseEntry, type PostedLine, unanswering } from './records.ts';

type LostCommand = { command: WireCommand; posted: PostedLine; arrival: Arrival | undefined };

/** Faults of a daemon that end its connections, so that an answer under way is not had. */
const endsConnections = new Set([
  'daemon killed',
  'daemon restarted',
  'daemon refusing',
  'daemon absent',
  'daemon ended connections',
]);
/** A fault's record begins before and ends after it; what it did to a worker shows a moment later. */
const slackMs = 100;

export function checkLost(history: History): Finding[] {
  const lost = history.records.commands.flatMap((command): LostCommand[] => {
    const posted = command.state === 'lost' ? history.posted(command.command) : undefined;
    return posted === undefined ? [] : [{ command, posted, arrival: history.arrivalsOf(posted.line)[0] }];
  });
  const causes = new Map(lost.map((entry) => [entry, causesOf(history, entry)]));
  const unexplained = lost.filter((entry) => causes.get(entry)?.length === 0);
  const inExcess = unmatched(
    lost.filter((entry) => !unexplained.includes(entry)),
    (entry) => causes.get(entry) ?? [],
  );
  return [
    ...unexplained.map((entry): Finding => ({ invariant: 'lost_without_cause', what: nameOf(entry) })),
    ...inExcess.map((entry): Finding => ({ invariant: 'more_lost_than_faults', what: nameOf(entry) })),
  ];
}

/** Names of the faults that can have made a command `lost`, each of which can have done so once. */
function causesOf(history: History, { command, posted, arrival }: LostCommand): string[] {
  const { faults, processes, stalls, leases, leaseMs } = history.records;
  const { server, token } = command;
  const until = history.finalSeenAt(token);
  const claimed = history.phasesOf(token).findLast(({ phase }) => phase === 'claimed');
  const told = claimed && toldSince(history, claimed);
  const since = told !== undefined && told <= until ? told : (posted.tries[0]?.sentAt ?? 0);
  const isDuring = (from: number, to: number) => to >= since - slackMs && from <= until;
  const causes: string[] = [];

  if (unanswering.has(posted.behaviour) && !(posted.behaviour.startsWith('closed') && arrival?.repliedAt)) {
    causes.push(`line ${posted.line}`);
  }
  for (const [index, fault] of faults.entries()) {
    const unanswered = !arrival?.repliedAt || arrival.repliedAt >= fault.at;
    const isOfDaemon = fault.server === server && endsConnections.has(fault.kind);
    if (isOfDaemon && unanswered && isDuring(fault.at, fault.until + slackMs)) causes.push(`fault ${index}`);
  }

  const holders = claimed
    ? [claimed.process]
    : leases.filter((change) => change.server === server && change.kind === 'taken').map((change) => change.process);
  for (const holder of new Set(holders)) {
    const storedAt = history.phasesOf(token).find(({ phase, process }) => phase === 'stored' && process === holder)?.at;
    const isCause = (from: number, to: number) => isDuring(from, to) && (storedAt === undefined || from < storedAt);
    const dead = processes.find(({ process }) => process === holder);
    const death = `death of ${holder} on ${server}`;
    if (dead?.asked === 'kill' && dead.endedAt !== null && isCause(dead.endedAt, dead.endedAt)) causes.push(death);
    // To a process that lives a command is lost only together with the lease, or with the whole server.
    const takenOver = leases.some((change) => change.server === server && change.from === holder && change.at >= since);
    const removed = faults.some(
      (fault) => fault.kind === 'server removed' && fault.server === server && isDuring(fault.at, fault.until),
    );
    if (!takenOver && !removed) continue;
    const interruptions: Pick<Fault, 'at' | 'until'>[] = [
      ...faults.filter((fault) => fault.processes.includes(holder)),
      ...stalls
        .filter((stall) => stall.process === holder && stall.until - stall.from >= 0.5 * leaseMs)
        .map(({ from, until }) => ({ at: from, until })),
    ];
    for (const { at, until: end } of interruptions) {
      // Who dies of a standstill has not been struck twice.
      if (isCause(at, end))
        causes.push(end === dead?.endedAt ? death : `interruption of ${holder} on ${server} at ${at}`);
    }
  }
  return causes;
}

/**
 * When a worker may have done what it tells of: one that stood still meanwhile tells of it when it goes on, and its
 * successor may have ended the command by then.
 */
function toldSince({ records }: History, { process, at }: PhaseEntry): number {
  const meanwhile = records.stalls.filter(
    (stall) => stall.process === process && stall.from <= at && at <= stall.until + slackMs,
  );
  return Math.min(at, ...meanwhile.map(({ from }) => from));
}

/** Which entries get no cause of their own, however the causes are shared out (a largest matching). */
function unmatched<Entry>(entries: readonly Entry[], causesFor: (entry: Entry) => readonly string[]): Entry[] {
  const owners = new Map<string, Entry>();
  const give = (entry: Entry, tried: Set<string>): boolean =>
    causesFor(entry).some((cause) => {
      if (tried.has(cause)) return false;
      tried.add(cause);
      const owner = owners.get(cause);
      if (owner !== undefined && !give(owner, tried)) return false;
      owners.set(cause, entry);
      return true;
    });
  return entries.filter((entry) => !give(entry, new Set()));
}

function nameOf({ command, posted, arrival }: LostCommand): string {
  const reached = arrival ? `reached the daemon, answered at ${arrival.repliedAt ?? 'no time'}` : 'was not seen there';
  return `${command.token} (${posted.line}, ${posted.behaviour}, ${command.server}) ${reached}`;
}
