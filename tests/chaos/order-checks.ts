/** Promise 3: per server one at a time, in the order accepted, by the holder of the lease. */
import type { Finding } from './finding.ts';
import type { Arrival, History } from './history.ts';
import type { LeaseChange, PostedLine } from './records.ts';

export function checkOrder(history: History): Finding[] {
  const findings: Finding[] = [];
  for (const arrivals of history.arrivals.values()) {
    findings.push(...checkOverlaps(history, arrivals), ...checkSequence(history, arrivals));
  }
  return [...findings, ...checkIds(history.records.lines), ...checkLeases(history)];
}

/** A line may come only when Dokku is done with all that came before. */
function checkOverlaps(history: History, arrivals: readonly Arrival[]): Finding[] {
  const findings: Finding[] = [];
  let longest: Arrival | undefined;
  for (const arrival of arrivals) {
    if (longest !== undefined && arrival.at < longest.endsAt && !isInGap(history, longest, arrival)) {
      const [before, after] = [nameOf(longest), nameOf(arrival)];
      findings.push({ invariant: 'overlap', what: `${arrival.server}: ${after} came before the end of ${before}` });
    }
    if (longest === undefined || arrival.endsAt > longest.endsAt) longest = arrival;
  }
  return findings;
}

/** The gap that promise 3 names: a worker frozen before its write, and a daemon killed together with its lock file. */
function isInGap(history: History, before: Arrival, after: Arrival): boolean {
  if (history.writtenAfterFreeze(before.line) || history.writtenAfterFreeze(after.line)) return true;
  return history.records.faults.some(
    (fault) => fault.dropsLock && fault.server === before.server && fault.until >= before.at && fault.at <= after.at,
  );
}

/** Where A's answer came before B was sent, A reaches the daemon first. */
function checkSequence(history: History, arrivals: readonly Arrival[]): Finding[] {
  const findings: Finding[] = [];
  let earliest: { arrival: Arrival; acceptedAt: number } | undefined;
  for (const arrival of arrivals.toReversed()) {
    const posted = history.posted(arrival.line);
    if (posted === undefined) continue;
    const sentAt = posted.tries[0]?.sentAt ?? 0;
    const frozen =
      history.writtenAfterFreeze(arrival.line) || (earliest && history.writtenAfterFreeze(earliest.arrival.line));
    if (earliest !== undefined && earliest.acceptedAt < sentAt && !frozen) {
      const what = `${arrival.server}: ${nameOf(earliest.arrival)} was accepted before ${nameOf(arrival)} was posted, and came after it`;
      findings.push({ invariant: 'reordered', what });
    }
    if (posted.acceptedAt !== null && posted.acceptedAt < (earliest?.acceptedAt ?? Number.POSITIVE_INFINITY)) {
      earliest = { arrival, acceptedAt: posted.acceptedAt };
    }
  }
  return findings;
}

function checkIds(lines: readonly PostedLine[]): Finding[] {
  const accepted = lines
    .filter(({ acceptedAt }) => acceptedAt !== null)
    .map(({ line, ids, tries, acceptedAt }) => ({
      line,
      id: ids[0] ?? 0,
      sentAt: tries[0]?.sentAt ?? 0,
      acceptedAt: acceptedAt ?? 0,
    }))
    .sort((a, b) => b.id - a.id);
  const findings: Finding[] = [];
  let earliest: (typeof accepted)[number] | undefined;
  for (const entry of accepted) {
    if (earliest !== undefined && earliest.acceptedAt < entry.sentAt) {
      const what = `${earliest.line} was accepted before ${entry.line} was posted, and has a higher id`;
      findings.push({ invariant: 'ids_out_of_order', what });
    }
    if (earliest === undefined || entry.acceptedAt < earliest.acceptedAt) earliest = entry;
  }
  return findings;
}

function checkLeases(history: History): Finding[] {
  const { leases, phases } = history.records;
  const taken = leases.filter(({ kind }) => kind === 'taken');
  const sentWithout = phases
    .filter((entry) => entry.phase === 'sent' && !history.frozenBeforeWrite(entry))
    .flatMap(({ process, server, epoch, at, token }): Finding[] => {
      const successor = taken.find(
        (change) => change.server === server && (change.epoch ?? 0) > (epoch ?? 0) && change.at < at,
      );
      if (successor === undefined) return [];
      const what = `process ${process} sent ${token} to ${server} under epoch ${epoch}, when process ${successor.process} had taken epoch ${successor.epoch}`;
      return [{ invariant: 'sent_without_lease', what }];
    });
  return [...sentWithout, ...taken.flatMap((change) => checkTake(history, change))];
}

/**
 * A lease may be taken from an owner that is dead, that has given it up, or that could give no sign of life for the
 * length of a lease.
 */
function checkTake({ records }: History, { from, at, server, epoch, process }: LeaseChange): Finding[] {
  const owner = records.processes.find((candidate) => candidate.process === from);
  if (owner === undefined || owner.process === process) return [];
  if (owner.endedAt !== null && owner.endedAt <= at) return [];
  const last = records.leases.findLast(
    (change) => change.process === from && change.server === server && change.at < at,
  );
  if (last?.kind === 'abandoned') return [];
  const since = at - 2 * records.leaseMs;
  const overlaps = (interval: { at: number; until: number }) => interval.until >= since && interval.at <= at;
  const stalls = records.stalls
    .filter((stall) => stall.process === owner.process)
    .map(({ from: begun, until }) => ({ at: begun, until }));
  const faults = records.faults.filter(({ processes }) => processes.includes(owner.process));
  if ([...stalls, ...faults].some(overlaps)) return [];
  const what = `process ${process} took ${server} (epoch ${epoch}) from process ${from}, which was alive and well`;
  return [{ invariant: 'lease_stolen', what }];
}

function nameOf({ line, at }: Arrival): string {
  return `${line} (at ${at.toFixed(1)})`;
}
