import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { startTestRedis, type TestRedis } from '../support/redis.ts';
import { buildProcesses } from './build.ts';
import { ChaosDaemon } from './daemon.ts';
import { type ChaosPostgres, startChaosPostgres } from './postgres.ts';
import { killAll } from './processes.ts';

export const serverNames = ['default', 'eu', 'us', 'asia'] as const;

/** What runs share: databases, daemons and a receiver. */
export type Services = {
  /** The folder of the built processes. */
  build: string;
  postgres: ChaosPostgres;
  redis: TestRedis;
  daemons: ReadonlyMap<string, ChaosDaemon>;
  receiver: Receiver;
  /** Ends all of it, and every process that a run has left behind. */
  stop(): Promise<void>;
};

export async function startServices(servers: readonly string[] = serverNames): Promise<Services> {
  // Short, as the paths of sockets must be.
  const folder = mkdtempSync(join(tmpdir(), 'chaos-'));
  const stops: (() => Promise<void>)[] = [killAll];
  const stop = async () => {
    for (const end of stops) await end();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const build = await buildProcesses();
    stops.push(async () => rmSync(build, { recursive: true, force: true, maxRetries: 5 }));
    const postgres = await startChaosPostgres('chaos-postgres');
    stops.push(postgres.stop);
    const redis = await startTestRedis();
    stops.push(redis.stop);
    const receiver = await startReceiver();
    stops.push(receiver.stop);
    const daemons = new Map<string, ChaosDaemon>();
    for (const name of servers) {
      mkdirSync(join(folder, name));
      daemons.set(name, new ChaosDaemon(join(folder, name), build));
    }
    await Promise.all([...daemons.values()].map((daemon) => daemon.start()));
    return { build, postgres, redis, daemons, receiver, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
