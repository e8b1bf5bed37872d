import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerStatuses, WorkerStatus } from '../../../db/server-status.ts';
import type { Server } from '../../../lib/config.ts';
import { type Checked, type Finding, failed, ok } from './finding.ts';
import type { Remedies } from './remedies.ts';

const check = 'worker';

/** Who lives, and which of the configured servers have a worker. */
export type LiveWorkers = { workers: WorkerStatus[]; served: ReadonlySet<string> };

/**
 * Looks for a live worker of each server.
 * @param options.patienceMs how long to wait for one that was only just started
 */
export async function checkWorkers(options: {
  statuses: ServerStatuses;
  servers: readonly Server[];
  silenceSeconds: number;
  patienceMs: number;
  remedies: Remedies;
}): Promise<Checked<LiveWorkers>> {
  const { statuses, servers, silenceSeconds, patienceMs, remedies } = options;
  const unserved = ({ served }: LiveWorkers) => servers.filter(({ name }) => !served.has(name));
  let known = await statuses.workers();
  let live = alive(known, silenceSeconds);
  for (const began = performance.now(); unserved(live).length > 0 && performance.now() - began < patienceMs; ) {
    await sleep(100);
    known = await statuses.workers();
    live = alive(known, silenceSeconds);
  }
  if (live.workers.length === 0) {
    const last = known.toSorted((a, b) => a.silentMs - b.silentMs)[0];
    const silent =
      last && `the last one, on ${last.host}, gave no sign of life for ${Math.round(last.silentMs / 1000)} s`;
    return { findings: [failed(check, silent ?? 'none runs', remedies.startWorker)], value: null };
  }
  const findings: Finding[] = unserved(live).map((server) =>
    failed(check, `none has ${server.name} configured`, remedies.startWorkerFor(settingOf(servers))),
  );
  const where = live.workers.map(({ host, version }) => `${version} on ${host}`).join(', ');
  if (findings.length === 0) findings.push(ok(check, where));
  return { findings, value: live };
}

function alive(known: WorkerStatus[], silenceSeconds: number): LiveWorkers {
  const workers = known.filter(({ silentMs }) => silentMs < silenceSeconds * 1000);
  return { workers, served: new Set(workers.flatMap(({ servers }) => servers)) };
}

/** As DOKKU_SERVERS is written. */
function settingOf(servers: readonly Server[]): string {
  return servers
    .slice(1)
    .map(({ name, socketPath }) => `${name}=${socketPath}`)
    .join(',');
}
