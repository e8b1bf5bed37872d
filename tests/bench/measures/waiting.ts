/** How soon waiters hear of an end that was stored, many of them in one process against one. */
import { Redis } from 'ioredis';
import { connectDatabase } from '../../../db/client.ts';
import { type Commands, createCommands } from '../../../db/commands.ts';
import { Announcer } from '../../../lib/announcer.ts';
import type { WireCommand } from '../../../lib/command.ts';
import { CircuitBreaker } from '../../../lib/redis.ts';
import type { Comparison, Measure } from '../comparison.ts';
import type { Ground } from '../ground.ts';
import { type Installation, startInstallation } from '../installation.ts';
import { quantile, timed } from '../statistics.ts';

const waiters = 1000;
/** So many requests that wait one key may have under way. */
const waitersOfAKey = 2000;

export function waitingMeasures(ground: Ground): Measure[] {
  const run = async (rounds: number) => {
    const waiting = await startWaiting(ground, waiters);
    const row: Comparison = {
      ...{ measure: `${waiters} waiters, from stored to answered: 99th percentile`, unit: 'ms', against: 'one waiter' },
      ...{ ours: [], theirs: [], bound: { atMost: 20 } },
    };
    try {
      for (let round = 0; round < rounds; round++) {
        const many = await waiting.waitFor(waiters);
        const ones: number[] = [];
        for (let one = 0; one < 20; one++) ones.push(...(await waiting.waitFor(1)));
        row.ours.push(quantile(many, 0.99));
        row.theirs.push(quantile(ones, 0.99));
      }
      return [row];
    } finally {
      await waiting.end();
    }
  };
  return [{ name: 'waiters', run }];
}

type Waiting = {
  /** Ends `count` commands, each of which somebody waits for; the milliseconds from each end stored to its answer. */
  waitFor: (count: number) => Promise<number[]>;
  end: () => Promise<void>;
};

/** An installation without a worker, whose commands are ended from here; `most` can be waited for at once. */
export async function startWaiting(ground: Ground, most: number): Promise<Waiting> {
  const installation = await startInstallation(ground, { workers: 0, connections: most + 8 });
  const database = connectDatabase(installation.databaseUrl, {
    maximum: 10,
    onError: (error) => {
      throw error;
    },
  });
  const redis = new Redis(ground.redisUrl);
  const announcer = new Announcer(redis, new CircuitBreaker(() => performance.now()), {
    warn: () => {
      throw new Error('Redis took no announcement: a run with an error in it is no result');
    },
  });
  const commands = createCommands(database);
  const announce = ({ id }: WireCommand) => announcer.announceChange({ id, state: 'canceled' });
  const keys = await Promise.all(
    Array.from({ length: Math.ceil(most / waitersOfAKey) }, () => installation.generateKey()),
  );
  return {
    waitFor: (count) => waitFor(installation, keys, commands, announce, count),
    end: async () => {
      redis.disconnect();
      await database.$client.end();
      await installation.end();
    },
  };
}

async function waitFor(
  installation: Installation,
  keys: Record<string, string>[],
  commands: Commands,
  announce: (command: WireCommand) => Promise<void>,
  count: number,
): Promise<number[]> {
  const queued: WireCommand[] = [];
  const posts = Array.from({ length: count }, () => async () => {
    queued.push(await installation.post({ cmd: 'apps:list' }));
  });
  await timed(posts, 32);
  const storedAt = new Map<string, number>();
  const answers = Promise.all(
    queued.map(async ({ token }, index) => {
      const answer = await installation.get(`/commands/${token}?wait=50`, keys[index % keys.length]);
      const { state } = JSON.parse(answer) as WireCommand;
      if (state !== 'canceled') throw new Error(`a waiter was answered while its command was ${state}`);
      return performance.now() - (storedAt.get(token) ?? Number.NaN);
    }),
  );
  const endAll = async () => {
    while ((await installation.counter('dokku_api_commands_waited_for')) < count) {
      // Asked again until all wait.
    }
    const ends = queued.map((command) => async () => {
      await commands.cancel(command.id);
      storedAt.set(command.token, performance.now());
      await announce(command);
    });
    await timed(ends, 10);
  };
  // Together, so that a waiter that fails ends the measure and not the process.
  const [times] = await Promise.all([answers, endAll()]);
  return times;
}
