import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, inject } from 'vitest';
import { startRedis } from '../../lib/local/redis.ts';
import { runService } from './run-service.ts';

/** A Redis of its own for a test file; it keeps nothing over a restart. */
export interface TestRedis {
  /** The same over restarts. */
  readonly url: string;
  readonly port: number;
  /** Another one after a restart. */
  readonly pid: number;
  /** Stops the process where it is: connections stay open, and nothing answers. */
  pause(): void;
  resume(): void;
  /** Starts it again, empty, on the same port; whether it still runs, is paused or was killed. */
  restart(): Promise<void>;
  /** Removes everything, groups and streams too. */
  flush(): Promise<void>;
  /** Sends a signal and waits for the end. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Ends it; done after the file in any case. */
  stop(): Promise<void>;
}

const running = new Set<TestRedis>();

afterAll(async () => {
  for (const redis of running) await redis.stop();
});

/** Starts a Redis in a folder of the run. */
export async function startTestRedis(): Promise<TestRedis> {
  await runService('redis');
  const folder = mkdtempSync(join(inject('runFolder'), 'redis-'));
  const start = (port?: number) =>
    startRedis({
      folder,
      cache: inject('cacheFolder'),
      // A hundred looks a second at whether to stop, in place of ten.
      settings: { save: '""', appendonly: 'no', hz: '100' },
      ...(port === undefined ? {} : { port }),
    });
  let server = await start();
  const redis: TestRedis = {
    url: server.url,
    port: server.port,
    get pid() {
      return server.pid;
    },
    pause: () => {
      process.kill(server.pid, 'SIGSTOP');
    },
    resume: () => {
      process.kill(server.pid, 'SIGCONT');
    },
    restart: async () => {
      await server.stop();
      server = await start(server.port);
    },
    flush: async () => {
      const client = new Redis(server.url, { lazyConnect: true, retryStrategy: null });
      try {
        await client.connect();
        await client.flushall('SYNC');
      } finally {
        client.disconnect();
      }
    },
    kill: async (signal) => {
      process.kill(server.pid, signal);
      await server.exited;
    },
    stop: async () => {
      await server.stop();
      running.delete(redis);
      rmSync(folder, { recursive: true, force: true });
    },
  };
  running.add(redis);
  return redis;
}
