import type { Commands } from '../db/commands.ts';
import type { Deliveries } from '../db/deliveries.ts';
import type { Leases } from '../db/leases.ts';
import type { CommandRow } from '../db/schema.ts';
import type { Config } from '../lib/config.ts';
import type { Log } from '../lib/log.ts';

/** The steps of a run between which a process can die, in their order. */
export type RunPhase = 'claiming' | 'claimed' | 'sent' | 'answered' | 'stored';

/** The settings that a worker process reads. */
export const workerSettings = [
  'databaseUrl',
  'redisUrl',
  'secretKeys',
  'defaultSocket',
  'moreServers',
  'jsonServers',
  'daemonWaitSeconds',
  'resultMaximumBytes',
  'callbackAllow',
  'leaseSeconds',
  'retentionDays',
  'logLevel',
] as const satisfies readonly (keyof Config)[];

export type WorkerConfig = Pick<Config, (typeof workerSettings)[number]>;

/** What every part of the worker is given. */
export type WorkerContext = {
  id: string;
  config: WorkerConfig;
  log: Log;
  /** A monotonic clock, in milliseconds. */
  now: () => number;
  commands: Commands;
  leases: Leases;
  deliveries: Deliveries;
  /** Tells the world that a command changed: event streams, waiters, and where it has a callback, the deliveries. */
  announceChange: (row: CommandRow) => void;
  /** Told at each step of a run, before the next one begins. */
  onPhase: (phase: RunPhase, row: CommandRow | null) => void;
  /** Aborted when the process is to stop: nothing new is taken. */
  stopping: AbortSignal;
};
