import type { Redis } from 'ioredis';
import type { Database } from '../../../db/client.ts';
import { createCommands } from '../../../db/commands.ts';
import { createServerStatuses, type ServerStatuses } from '../../../db/server-status.ts';
import { type Config, type Server, serversOf } from '../../../lib/config.ts';
import { silenceSeconds } from '../../../lib/worker-silence.ts';
import { type Checked, type Finding, skipped, warning } from './finding.ts';
import type { Remedies } from './remedies.ts';
import { checkQueue, checkServer, type ObservedServer, observeServers } from './servers.ts';
import { checkSocket, type LockHolder } from './socket.ts';
import { brokenOff, type Step } from './step.ts';
import { checkStream } from './stream.ts';
import { checkWorkers, type LiveWorkers } from './workers.ts';

type ServerChecksOptions = {
  config: Partial<Config>;
  /** Null where the tables are not usable. */
  database: Promise<Database | null>;
  /** Null where it is away. */
  redis: Promise<Redis | null>;
  workerPatienceMs: number;
  remedies: Remedies;
};

const usualLeaseSeconds = 10;

/** What is looked at for each server: its socket, its worker, its state, its stream and its queue. */
export function checkServers({ config, database, redis, workerPatienceMs, remedies }: ServerChecksOptions): Step[] {
  const { defaultSocket, moreServers, jsonServers } = config;
  if (defaultSocket === undefined || moreServers === undefined || jsonServers === undefined) {
    const why = 'the settings of the servers cannot be read';
    return ['sockets', 'worker'].map((check) => ({ check, findings: Promise.resolve([skipped(check, why)]) }));
  }
  const servers = serversOf({ defaultSocket, moreServers, jsonServers });
  const names = servers.map(({ name }) => name);
  const leaseSeconds = config.leaseSeconds ?? usualLeaseSeconds;
  const silence = silenceSeconds({ leaseSeconds });
  const statuses = database.then((usable) => usable && createServerStatuses(usable));

  // A look that fails is told by the worker's check; the sockets can be looked at without it.
  const lockHolders = statuses
    .then((usable) => knownHolders(usable, names, silence))
    .catch(() => new Map<string, LockHolder>());
  const sockets = new Map(
    servers.map((server) => [
      server.name,
      checkSocket({
        server,
        jsonServers,
        lockHolder: lockHolders.then((holders) => holders.get(server.name) ?? null),
        remedies,
      }),
    ]),
  );
  const workers = statuses.then(async (usable): Promise<Checked<LiveWorkers>> => {
    if (usable === null) return { findings: [skipped('worker', 'the tables are not usable')], value: null };
    try {
      return await checkWorkers({
        statuses: usable,
        servers,
        silenceSeconds: silence,
        patienceMs: workerPatienceMs,
        remedies,
      });
    } catch (error) {
      return { findings: [brokenOff('worker', error)], value: null };
    }
  });
  const observed = Promise.all([statuses, workers]).then(async ([usable, { value: live }]) => {
    if (usable === null) return 'the tables are not usable';
    if (live === null) return 'no live worker has it';
    const seen = await observeServers(
      usable,
      names.filter((name) => live.served.has(name)),
      silence,
    );
    return new Map(seen.map((server) => [server.server, server]));
  });

  const perServer = servers.flatMap(({ name }) => {
    const whenObserved = (check: string, look: (server: ObservedServer) => Promise<Finding> | Finding): Step => ({
      check: `${check} ${name}`,
      findings: observed.then(async (seen) => {
        const server = typeof seen === 'string' ? undefined : seen.get(name);
        if (server !== undefined) return [await look(server)];
        return [skipped(`${check} ${name}`, typeof seen === 'string' ? seen : 'no live worker has it')];
      }),
    });
    return [
      whenObserved('server', async (server) =>
        checkServer(server, { isReached: isUsable(await sockets.get(name)), remedies }),
      ),
      whenObserved('stream of', async () => {
        const usable = await redis;
        const check = `stream of ${name}`;
        return usable === null ? skipped(check, 'Redis is not usable') : await checkStream(usable, name, remedies);
      }),
      whenObserved('queue of', (server) => checkQueue(server, { leaseSeconds, remedies })),
    ];
  });
  return [
    ...[...sockets].map(([name, finding]) => ({
      check: `socket of ${name}`,
      findings: finding.then((found) => [found]),
    })),
    { check: 'worker', findings: workers.then(({ findings }) => findings) },
    ...perServer,
    {
      check: 'queues',
      findings: Promise.all([database, workers]).then(([usable, { value: live }]) =>
        usable === null || live === null ? [] : forgottenQueues(usable, [...names, ...live.served], servers, remedies),
      ),
    },
  ];
}

function isUsable(finding: Finding | undefined): boolean {
  return finding?.status === 'ok' || finding?.status === 'warning';
}

/** What is known of why a server's Dokku may be busy. */
async function knownHolders(
  statuses: ServerStatuses | null,
  names: readonly string[],
  silenceOfWorkers: number,
): Promise<Map<string, LockHolder>> {
  const seen = (await statuses?.of(names, silenceOfWorkers)) ?? [];
  return new Map(
    seen.map(({ server, state, running, blockedBy }) => {
      if (running !== null) return [server, `runs command ${running.token}`];
      return [server, state === 'blocked' ? `Dokku may still be busy with command ${blockedBy}` : null];
    }),
  );
}

/** Commands of servers that are configured nowhere any more. */
async function forgottenQueues(
  database: Database,
  known: readonly string[],
  servers: readonly Server[],
  remedies: Remedies,
): Promise<Finding[]> {
  const forgotten = (await createCommands(database).serversWithWork()).filter((name) => !known.includes(name));
  const more = servers.slice(1).map(({ name, socketPath }) => `${name}=${socketPath}`);
  return forgotten.map((name) =>
    warning(
      `queue of ${name}`,
      `commands wait for a server that is not configured: they fail within a minute, as server_removed`,
      remedies.set('DOKKU_SERVERS', [...more, `${name}=/path/of/dokku-daemon.sock`].join(',')),
    ),
  );
}
