/** How soon waiters hear of an end that was stored, many of them in one process against one. */
import { Redis } from 'ioredis';
import { connectDatabase } from '../../../db/client.ts';
import { type Commands, createCommands } from '../../../db/commands.ts';
import type { WireCommand } from '../../../lib/command.ts';
import { publishChanges } from '../../../lib/command-events.ts';
import { CircuitBreaker } from '../../../lib/redis.ts';
import type { Comparison, Measure } from '../comparison.ts';
import type { Ground } from '../ground.ts';
import { type Installation, startInstallation } from '../installation.ts';
import { quantile, timed } from '../statistics.ts';

const waiters = 1000;

export function waitingMeasures(ground: Ground): Measure[] {
  const run = async (rounds: number) => {
    const installation = await startInstallation(ground, { workers: 0, connections: waiters + 8 });
    const database = connectDatabase(installation.databaseUrl, {
      maximum: 10,
      onError: (error) => {
        throw error;
      },
    });
    const redis = new Redis(ground.redisUrl);
    const breaker = new CircuitBreaker(() => performance.now());
    const commands = createCommands(database);
    const announce = (command: WireCommand) => publishChanges(redis, breaker, [command]);
    const row: Comparison = {
      ...{ measure: `${waiters} waiters, from stored to answered: 99th percentile`, unit: 'ms', against: 'one waiter' },
      ...{ ours: [], theirs: [], bound: { atMost: 20 } },
    };
    try {
      for (let round = 0; round < rounds; round++) {
        const many = await waitFor(installation, commands, announce, waiters);
        const ones: number[] = [];
        for (let one = 0; one < 20; one++) ones.push(...(await waitFor(installation, commands, announce, 1)));
        row.ours.push(quantile(many, 0.99));
        row.theirs.push(quantile(ones, 0.99));
      }
      return [row];
    } finally {
      redis.disconnect();
      await database.$client.end();
      await installation.end();
    }
  };
  return [{ name: 'waiters', run }];
}

/** Ends `count` commands, each of which somebody waits for; the milliseconds from each end stored to its answer. */
async function waitFor(
  installation: Installation,
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
  const answers = queued.map(async ({ token }) => {
    const command = JSON.parse(await installation.get(`/commands/${token}?wait=50`)) as WireCommand;
    if (command.state !== 'canceled') throw new Error(`a waiter was answered while its command was ${command.state}`);
    return performance.now() - (storedAt.get(token) ?? Number.NaN);
  });
  while ((await installation.counter('dokku_api_commands_waited_for')) < count) {
    // Asked again until all wait.
  }
  const ends = queued.map((command) => async () => {
    await commands.cancel(command.id);
    storedAt.set(command.token, performance.now());
    await announce(command);
  });
  await timed(ends, 10);
  return await Promise.all(answers);
}
