/** That a command changed, told to every web process. A message may be lost: whoever waits looks in Postgres as well. */
import type { ChainableCommander, Redis } from 'ioredis';
import { type CommandState, commandStates } from './command.ts';

const channel = '{dokku-api}:changes';
/** In one message. */
export const changesAtMost = 100;

/** Which command changed, and whether it may be worth a look. What it became is read from Postgres. */
export type CommandChange = { id: number; state: CommandState };

/** @param changes at most `changesAtMost` */
export function publishChanges(pipeline: ChainableCommander, changes: readonly CommandChange[]): void {
  pipeline.publish(channel, changes.map(({ id, state }) => `${id} ${state}`).join(','));
}

/** Calls `onChange` for each change from now on; messages of another form are passed over and counted. */
export async function subscribeChanges(
  redis: Redis,
  onChange: (change: CommandChange) => void,
  onMalformed: () => void,
): Promise<void> {
  redis.on('message', (_channel: string, message: string) => {
    for (const change of message.split(',', changesAtMost)) {
      const [, id, word] = /^(\d{1,16}) (\w+)$/.exec(change) ?? [];
      const state = commandStates.find((known) => known === word);
      if (state === undefined) return onMalformed();
      onChange({ id: Number(id), state });
    }
  });
  await redis.subscribe(channel);
}
