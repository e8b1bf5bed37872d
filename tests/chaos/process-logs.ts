import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { monotonicMs } from './clock.ts';
import type { RunningProcess } from './processes.ts';
import type { LeaseChange, PhaseEntry, Records, Stall } from './records.ts';

type WorkerLogEntry = { time: string; msg: string; worker: string; server: string; epoch: number; from: string | null };

const leaseChanges: Readonly<Record<string, LeaseChange['kind']>> = {
  'lease taken': 'taken',
  'lease lost to another worker': 'lost',
  'lease released': 'released',
};

/** What the workers' own logs, and the files of their steps, tell of a run. */
export function readProcessLogs(
  folder: string,
  started: readonly RunningProcess[],
): Pick<Records, 'phases' | 'stalls' | 'leases'> {
  const wallAhead = Date.now() - monotonicMs();
  const workers = started.filter(({ record }) => record.role === 'worker');
  const logs = workers.map(({ record, log }) => ({ number: record.process, entries: jsonLines<WorkerLogEntry>(log) }));
  const numbers = new Map<string | null, number>();
  for (const { number, entries } of logs) {
    for (const { msg, worker } of entries) if (msg === 'worker started') numbers.set(worker, number);
  }
  const leases = logs.flatMap(({ number, entries }) =>
    entries.flatMap(({ time, msg, server, epoch, from }): LeaseChange[] => {
      const kind = leaseChanges[msg];
      if (kind === undefined) return [];
      const at = Date.parse(time) - wallAhead;
      return [{ at, process: number, server, epoch, kind, from: numbers.get(from) ?? null }];
    }),
  );
  const steps = workers.flatMap(({ record }) => {
    const entries = jsonLines<PhaseEntry | { stalledFrom: number; until: number }>(
      join(folder, `steps-${record.process}.jsonl`),
    );
    return entries.map((entry) => ({ entry, number: record.process }));
  });
  return {
    leases: leases.sort((a, b) => a.at - b.at),
    phases: steps.flatMap(({ entry }) => ('phase' in entry ? [entry] : [])).sort((a, b) => a.at - b.at),
    stalls: steps.flatMap(({ entry, number }): Stall[] =>
      'phase' in entry ? [] : [{ process: number, from: entry.stalledFrom, until: entry.until }],
    ),
  };
}

/** The lines of a file that are JSON objects in full; a killed process may have left half of one. */
function jsonLines<Entry>(file: string): Entry[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Entry);
}
