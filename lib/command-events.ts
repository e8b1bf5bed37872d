/** That a command changed, told to every web process. A message may be lost: whoever waits looks in Postgres as well. */
import type { Redis } from 'ioredis';
import { type CommandState, commandStates } from './command.ts';
import type { CircuitBreaker } from './redis.ts';

const channel = '{dokku-api}:changes';

/** Which command changed, and whether it may be worth a look. What it became is read from Postgres. */
export type CommandChange = { id: number; state: CommandState };

/** @throws where Redis did not take it; the caller counts that and goes on */
export async function publishChange(redis: Redis, breaker: CircuitBreaker, change: CommandChange): Promise<void> {
  await breaker.run(() => redis.publish(channel, `${change.id} ${change.state}`));
}

/** Calls `onChange` for each change from now on; messages of another form are passed over and counted. */
export async function subscribeChanges(
  redis: Redis,
  onChange: (change: CommandChange) => void,
  onMalformed: () => void,
): Promise<void> {
  redis.on('message', (_channel: string, message: string) => {
    const [, id, word] = /^(\d{1,16}) (\w+)$/.exec(message) ?? [];
    const state = commandStates.find((known) => known === word);
    if (state === undefined) onMalformed();
    else onChange({ id: Number(id), state });
  });
  await redis.subscribe(channel);
}
