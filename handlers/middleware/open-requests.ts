/** How many requests of one kind a key may have under way in this process: each holds memory until its client has read it. */
import type { Context } from 'hono';
import { ApiError } from '../../lib/errors.ts';
import { type AppEnv, factory } from '../factory.ts';

export class OpenRequests {
  readonly #limit: number;
  readonly #open = new Map<number, number>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Counts the request for its key until its answer is sent or its client gone.
   * @throws ApiError `rate_limited`
   */
  count(context: Context<AppEnv>): void {
    const { id } = context.get('key');
    const open = this.#open.get(id) ?? 0;
    if (open >= this.#limit) {
      throw new ApiError(
        'rate_limited',
        `This key has ${open} such requests under way here, which is as many as it may. Let one end, then try again.`,
        { headers: { 'Retry-After': '1' } },
      );
    }
    const { outgoing, incoming } = context.env;
    // Where the client has left meanwhile, nothing would say so any more.
    if (outgoing.closed || incoming.socket.destroyed) return;
    this.#open.set(id, open + 1);
    const end = () => {
      outgoing.off('close', end);
      incoming.socket.off('close', end);
      const left = (this.#open.get(id) ?? 1) - 1;
      if (left > 0) this.#open.set(id, left);
      else this.#open.delete(id);
    };
    outgoing.once('close', end);
    // An answer that waits behind others on its connection is not told when that closes.
    incoming.socket.setMaxListeners(0).once('close', end);
  }
}

/**
 * Lets each key have so many of these requests under way. One given to several routes counts them together.
 * @throws ApiError `rate_limited`
 */
export function openAtMost(limit: number) {
  const requests = new OpenRequests(limit);
  return factory.createMiddleware(async (context, next) => {
    requests.count(context);
    await next();
  });
}
