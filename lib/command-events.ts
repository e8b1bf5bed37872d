/** That a command changed, told to every web process. A message may be lost: whoever waits looks in Postgres as well. */
import type { ChainableCommander, Redis } from 'ioredis';
import { type CommandState, commandStates, isFinal } from './command.ts';

const channel = '{dokku-api}:changes';
/** Of messages that tell of no command's end: nobody listens but those who follow commands as they change. */
const beginningsChannel = '{dokku-api}:beginnings';
/** In one message. */
export const changesAtMost = 100;

/** Which command changed, and whether it may be worth a look. What it became is read from Postgres. */
export type CommandChange = { id: number; state: CommandState };

/** @param changes at most `changesAtMost` */
export function publishChanges(pipeline: ChainableCommander, changes: readonly CommandChange[]): void {
  const tellsOfAnEnd = changes.some(({ state }) => isFinal(state));
  const message = changes.map(({ id, state }) => `${id} ${state}`).join(',');
  pipeline.publish(tellsOfAnEnd ? channel : beginningsChannel, message);
}

export class ChangeSubscription {
  readonly #redis: Redis;
  readonly #onError: (error: unknown) => void;
  #followers = 0;
  #followed = false;
  #adjusting = false;

  /**
   * Calls `onChange` for each end of a command from now on, and while somebody follows for every other change as well.
   * @param options.onMalformed told of messages of another form, which are passed over
   * @param options.onError told why Redis took no subscription
   */
  constructor(
    redis: Redis,
    options: {
      onChange: (change: CommandChange) => void;
      onMalformed: () => void;
      onError: (error: unknown) => void;
    },
  ) {
    this.#redis = redis;
    this.#onError = options.onError;
    redis.on('message', (_channel: string, message: string) => {
      for (const change of message.split(',', changesAtMost)) {
        const [, id, word] = /^(\d{1,16}) (\w+)$/.exec(change) ?? [];
        const state = commandStates.find((known) => known === word);
        if (state === undefined) return options.onMalformed();
        options.onChange({ id: Number(id), state });
      }
    });
    redis.subscribe(channel).catch(this.#onError);
  }

  /** Has `onChange` told of every change until `signal` is aborted. */
  follow(signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#followers += 1;
    void this.#adjust();
    const leave = () => {
      this.#followers -= 1;
      void this.#adjust();
    };
    signal.addEventListener('abort', leave, { once: true });
  }

  /** One request at a time: while Redis is away they would wait in memory, two for each stream that comes and goes. */
  async #adjust(): Promise<void> {
    if (this.#adjusting) return;
    this.#adjusting = true;
    try {
      while (this.#followed !== this.#followers > 0) {
        const follows = !this.#followed;
        await (follows ? this.#redis.subscribe(beginningsChannel) : this.#redis.unsubscribe(beginningsChannel));
        this.#followed = follows;
      }
    } catch (error) {
      this.#onError(error);
    } finally {
      this.#adjusting = false;
    }
  }
}
