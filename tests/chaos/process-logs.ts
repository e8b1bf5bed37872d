import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { monotonicMs } from './clock.ts';
import type { RunningProcess } from './processes.ts';
import {
  type LeaseChange,
  type PhaseEntry,
  type ProcessRecord,
  type Records,
  type Stall,
  shortestStallMs,
} from './records.ts';

type WorkerLogEntry = {
  time: string;
  msg: string;
  worker: string;
  server: string;
  epoch?: number;
  from: string | null;
};

const hourMs = 3_600_000;

const leaseChanges: Readonly<Record<string, LeaseChange['kind']>> = {
  'lease taken': 'taken',
  'lease lost to another worker': 'lost',
  'lease released': 'released',
  'lease not released: it runs out by itself': 'abandoned',
};

/** What the workers' own logs, and the files of their steps, tell of a run. */
export function readProcessLogs(
  folder: string,
  started: readonly RunningProcess[],
): Pick<Records, 'phases' | 'stalls' | 'leases'> {
  const wallAhead = Date.now() - monotonicMs();
  const workers = started.filter(({ record }) => record.role === 'worker');
  const logs = workers.map(({ record, log }) => ({ record, entries: jsonLines<WorkerLogEntry>(log) }));
  const numbers = new Map<string | null, number>();
  for (const { record, entries } of logs) {
    for (const { msg, worker } of entries) if (msg === 'worker started') numbers.set(worker, record.process);
  }
  const leases = logs.flatMap(({ record, entries }) =>
    entries.flatMap(({ time, msg, server, epoch, from }): LeaseChange[] => {
      const kind = leaseChanges[msg];
      if (kind === undefined) return [];
      const at = withinLife(record, Date.parse(time) - wallAhead);
      return [{ at, process: record.process, server, epoch: epoch ?? null, kind, from: numbers.get(from) ?? null }];
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
    stalls: [
      ...steps.flatMap(({ entry, number }): Stall[] =>
        'phase' in entry ? [] : [{ process: number, from: entry.stalledFrom, until: entry.until }],
      ),
      ...workers.flatMap(({ record }) => lastStall(folder, record)),
    ],
  };
}

/** Its clock may have been an hour ahead or behind when it wrote that. */
function withinLife({ startedAt, endedAt }: ProcessRecord, told: number): number {
  const ended = endedAt ?? Number.POSITIVE_INFINITY;
  const times = [0, hourMs, -hourMs].map((step) => told - step);
  return times.find((at) => at > startedAt - 1000 && at < ended + 1000) ?? told;
}

/** From a process's last sign of life to its end, where that was longer than it ever is. */
function lastStall(folder: string, { process, endedAt }: ProcessRecord): Stall[] {
  const sign = join(folder, `sign-${process}`);
  if (endedAt === null || !existsSync(sign)) return [];
  const from = Number.parseFloat(readFileSync(sign, 'utf8'));
  return endedAt - from > shortestStallMs ? [{ process, from, until: endedAt }] : [];
}

/** The lines of a file that are JSON objects in full; a killed process may have left half of one. */
function jsonLines<Entry>(file: string): Entry[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Entry);
}
