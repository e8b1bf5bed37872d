/** What all measures of a run share: Postgres that keeps what it says it stored, Redis, and real processes of the build. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { migrate } from '../../db/release.ts';
import { startPostgres } from '../../lib/local/postgres.ts';
import { startRedis } from '../../lib/local/redis.ts';

export type Started = { process: ChildProcess; pid: number; end: () => Promise<void> };

export type Ground = {
  folder: string;
  redisUrl: string;
  /** A migrated database of its own. */
  createDatabase: () => Promise<string>;
  /**
   * Starts a script with Node; resolves when it printed `ready`.
   * @throws Error with what it printed, where it ends before
   */
  start: (options: {
    name: string;
    script: string;
    args?: readonly string[];
    env?: Record<string, string>;
    ready: string;
  }) => Promise<Started>;
  end: () => Promise<void>;
};

export async function startGround(): Promise<Ground> {
  const folder = mkdtempSync(join(tmpdir(), 'dokku-api-bench-'));
  // Root's Postgres runs as another user, and keeps its data elsewhere, for good, where that one cannot enter.
  chmodSync(folder, 0o711);
  const postgres = await startPostgres({ folder: join(folder, 'postgres') });
  const redis = await startRedis({ folder: join(folder, 'redis'), cache: resolve('.local/cache') });
  const [durable] = await query<{ durable: boolean }>(
    postgres.url,
    "select current_setting('fsync') = 'on' and current_setting('synchronous_commit') = 'on' as durable",
  );
  if (!durable?.durable) throw new Error('fsync and synchronous_commit must be on: what is not durable is no result');
  let started = 0;
  let databases = 0;
  return {
    folder,
    redisUrl: redis.url,
    createDatabase: async () => {
      const url = new URL(postgres.url);
      url.pathname = `/bench_${databases++}`;
      await query(postgres.url, `CREATE DATABASE ${url.pathname.slice(1)}`);
      await migrate(url.href);
      return url.href;
    },
    start: async ({ name, script, args = [], env = {}, ready }) => {
      const path = join(folder, `${name}-${started++}.log`);
      const output = openSync(path, 'w');
      const child = spawn(process.execPath, [...(script.endsWith('.ts') ? ['--import', 'tsx'] : []), script, ...args], {
        env: { PATH: process.env.PATH, ...env },
        stdio: ['ignore', output, output],
      });
      const ended = once(child, 'exit');
      while (!readFileSync(path, 'utf8').includes(ready)) {
        if (child.exitCode !== null) throw new Error(`${script} ended: ${readFileSync(path, 'utf8')}`);
        await sleep(10);
      }
      return {
        process: child,
        pid: child.pid as number,
        end: async () => {
          child.kill('SIGTERM');
          await ended;
        },
      };
    },
    end: async () => {
      await redis.stop();
      await postgres.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** One statement on a connection of its own, outside of what is measured. */
export async function query<Row extends pg.QueryResultRow>(
  url: string,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  return await connected(url, async (client) => (await client.query<Row>(text, values)).rows);
}

/** Asks on one connection, since to make one costs as much as some commands, until `is` is true. */
export async function untilTrue(url: string, text: string, everyMs: number): Promise<void> {
  await connected(url, async (client) => {
    while (!(await client.query<{ is: boolean }>(text)).rows[0]?.is) await sleep(everyMs);
  });
}

async function connected<Result>(url: string, use: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}
