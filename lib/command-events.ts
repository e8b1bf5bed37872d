/** That a command changed, told to every web process. A message may be lost: whoever waits looks in Postgres as well. */
import type { Redis } from 'ioredis';
import type { CircuitBreaker } from './redis.ts';

const channel = '{dokku-api}:changes';

/** Which command changed. What it became is read from Postgres. */
export type CommandChange = { id: number; token: string };

/** @throws where Redis did not take it; the caller counts that and goes on */
export async function publishChange(redis: Redis, breaker: CircuitBreaker, change: CommandChange): Promise<void> {
  await breaker.run(() => redis.publish(channel, `${change.id} ${change.token}`));
}

/** Calls `onChange` for each change from now on; messages of another form are passed over and counted. */
export async function subscribeChanges(
  redis: Redis,
  onChange: (change: CommandChange) => void,
  onMalformed: () => void,
): Promise<void> {
  redis.on('message', (_channel: string, message: string) => {
    const match = /^(\d{1,16}) ([0-9a-f]{64})$/.exec(message);
    if (match?.[1] && match[2]) onChange({ id: Number(match[1]), token: match[2] });
    else onMalformed();
  });
  await redis.subscribe(channel);
}
