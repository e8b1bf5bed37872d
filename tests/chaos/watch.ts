import { pause } from '../../worker/backoff.ts';
import type { Api } from './api.ts';
import { monotonicMs } from './clock.ts';
import type { Observer } from './observer.ts';

/** For so long after its end a command is still looked at, for changes that must not come. */
const watchedMs = 3000;

/** Looks at all that is not final, and was so until a while ago, several times a second. */
export async function watchAnswers(api: Api, observer: Observer, over: AbortSignal): Promise<void> {
  const finalSince = new Map<number, number>();
  let from = 0;
  while (!over.aborted) {
    const commands = (await api.list(`?limit=1000&after=${from}`, over)) ?? [];
    const now = monotonicMs();
    for (const { id, token } of commands) {
      if (observer.isFinal(token) && !finalSince.has(id)) finalSince.set(id, now);
    }
    for (const { id } of commands) {
      const since = finalSince.get(id);
      if (since === undefined || now - since < watchedMs) break;
      finalSince.delete(id);
      from = id;
    }
    await pause(250, over);
  }
}

/** Follows the stream of all commands, each connection of which is a channel of its own. */
export async function watchEvents(api: Api, observer: Observer, over: AbortSignal): Promise<void> {
  let last = 0;
  for (let connections = 1; !over.aborted; connections++) {
    await api.follow((command) => {
      // Events are told apart by their order, however many come at once.
      last = Math.max(monotonicMs(), last + 0.001);
      observer.see(`events ${connections}`, [command], last, last);
    }, over);
    await pause(200, over);
  }
}
