/** How each server stands: what its lease says, who runs it, what waits and what runs there. */
import { sql } from 'drizzle-orm';
import type { Database } from './client.ts';
import { isQueued, queueHead } from './queue.ts';
import { commands, leases, workers } from './schema.ts';

export const serverStates = ['idle', 'busy', 'blocked', 'unreachable'] as const;
export type ServerState = (typeof serverStates)[number];

/** A command that runs at this moment. */
export type RunningCommand = {
  token: string;
  command: string;
  owner: string;
  startedAt: Date;
  timeoutSeconds: number;
  /** By Postgres' clock. */
  runningMs: number;
};

export type ServerStatus = {
  server: string;
  state: ServerState;
  /** Null where no worker has ever had the server. */
  since: Date | null;
  /** For how long, by Postgres' clock. */
  inStateMs: number | null;
  /** How many commands wait, up to `queueCountedTo`. */
  queued: number;
  /** Of the command whose turn it is, by Postgres' clock. */
  oldestQueuedId: number | null;
  oldestQueuedMs: number | null;
  running: RunningCommand | null;
  /** How often the server's lease has changed hands; 0 where it never had a worker. */
  epoch: number;
  /** The token of the command that blocked the server, and whose it is; null where it is deleted by now. */
  blockedBy: string | null;
  blockedByOwner: string | null;
  /** The live worker that holds the server's lease. */
  worker: { id: string; host: string; version: string } | null;
};

/** A worker's row, and how long ago it gave a sign of life, by Postgres' clock. */
export type WorkerStatus = { id: string; servers: string[]; host: string; version: string; silentMs: number };

/** Counting further would only cost time: whoever looks wants to know whether a queue is long. */
export const queueCountedTo = 100_000;

/** So far back an idle server's last command is looked for, over all servers. */
const recentCommands = 200;

type Row = Omit<ServerStatus, 'state' | 'since' | 'inStateMs' | 'running' | 'worker'> & {
  nowMs: number;
  blockedAtMs: number | null;
  unreachableAtMs: number | null;
  changedAtMs: number | null;
  endedAtMs: number | null;
  running: (Omit<RunningCommand, 'startedAt'> & { startedAtMs: number }) | null;
  worker: ServerStatus['worker'];
};

export type ServerStatuses = ReturnType<typeof createServerStatuses>;

export function createServerStatuses(database: Database) {
  const waiting = isQueued(sql`asked.server`);
  const statement = database
    .select({
      rows: sql<Row[]>`coalesce(json_agg(json_build_object(
        'server', asked.server,
        'nowMs', ${milliseconds(sql`clock_timestamp()`)},
        'blockedAtMs', ${milliseconds(leases.blockedSince)},
        'unreachableAtMs', ${milliseconds(leases.unreachableSince)},
        'changedAtMs', ${milliseconds(leases.changedAt)},
        'endedAtMs', (select max(${milliseconds(sql`recent.ran_at`)}) from
          (select server, ran_at from ${commands} order by id desc limit ${sql.raw(String(recentCommands))}) recent
          where recent.server = asked.server),
        'epoch', coalesce(${leases.epoch}, 0),
        'blockedBy', ${leases.blockedBy},
        'blockedByOwner', (select owner from ${commands} where token = ${leases.blockedBy}),
        'queued', (select count(*) from
          (select 1 from ${commands} where ${waiting} limit ${sql.raw(String(queueCountedTo))}) counted),
        'oldestQueuedId', oldest.id,
        'oldestQueuedMs', oldest.ms,
        'running', (select json_build_object('token', token, 'command', command, 'owner', owner,
          'startedAtMs', ${milliseconds(commands.startedAt)}, 'timeoutSeconds', timeout_seconds,
          'runningMs', ${millisecondsSince(commands.startedAt)})
          from ${commands} where ${commands.server} = asked.server and ${commands.state} = 'running'),
        'worker', (select json_build_object('id', id, 'host', host, 'version', version) from ${workers}
          where ${workers.id} = ${leases.owner}
            and ${workers.beatAt} > now() - make_interval(secs => ${sql.placeholder('silenceSeconds')}::float8))
        ) order by asked.position), '[]')`,
    })
    .from(
      sql`unnest(${sql.placeholder('servers')}::text[]) with ordinality as asked(server, position)
        left join ${leases} on ${leases.server} = asked.server
        left join lateral (select id, ${millisecondsSince(commands.createdAt)} as ms from ${commands}
          where ${waiting} order by ${queueHead}) oldest on true`,
    )
    .prepare('server_status');

  return {
    /**
     * The servers in the order given.
     * @param silenceSeconds after which a worker that gave no sign of life does not count as one
     */
    async of(servers: readonly string[], silenceSeconds: number): Promise<ServerStatus[]> {
      const [row] = await statement.execute({ servers: [...servers], silenceSeconds });
      return (row?.rows ?? []).map(toStatus);
    },

    /** Every worker that is known, the silent ones too. */
    async workers(): Promise<WorkerStatus[]> {
      return await database
        .select({
          id: workers.id,
          servers: workers.servers,
          host: workers.host,
          version: workers.version,
          silentMs: millisecondsSince(workers.beatAt).mapWith(Number),
        })
        .from(workers)
        .orderBy(workers.startedAt);
    },
  };
}

function toStatus(stored: Row): ServerStatus {
  const { nowMs, blockedAtMs, unreachableAtMs, changedAtMs, endedAtMs, running, ...row } = stored;
  const at = (state: ServerState, sinceMs: number | null): ServerStatus => ({
    ...row,
    state,
    since: sinceMs === null ? null : new Date(sinceMs),
    inStateMs: sinceMs === null ? null : Math.max(0, nowMs - sinceMs),
    running: running && {
      token: running.token,
      command: running.command,
      owner: running.owner,
      startedAt: new Date(running.startedAtMs),
      timeoutSeconds: running.timeoutSeconds,
      runningMs: running.runningMs,
    },
  });
  if (blockedAtMs !== null) return at('blocked', blockedAtMs);
  if (unreachableAtMs !== null) return at('unreachable', unreachableAtMs);
  if (running !== null) return at('busy', running.startedAtMs);
  return at('idle', changedAtMs === null ? null : Math.max(changedAtMs, endedAtMs ?? 0));
}

function milliseconds(time: unknown) {
  return sql<number>`(extract(epoch from ${time}) * 1000)::float8`;
}

function millisecondsSince(time: unknown) {
  return sql<number>`(extract(epoch from clock_timestamp() - ${time}) * 1000)::float8`;
}
