import { isFinal } from '../../lib/command.ts';
import { tokenParam, visibleCommand } from '../commands/visible-command.ts';
import { EventStream } from '../event-stream.ts';
import { factory } from '../factory.ts';
import type { ConsoleDependencies } from './console-dependencies.ts';
import { sessionCookie } from './signed-in.tsx';

/** Longer than any command lasts without a change. */
const foreverMs = 2_000_000_000;

/** GET /console/commands/:token/events: that the command changed, for a page to look again; to its final state. */
export function streamCommandChanges(deps: ConsoleDependencies) {
  const { commands, waiters, sessions } = deps;
  return factory.createHandlers(tokenParam, async (context) => {
    let row = await visibleCommand(commands, context.get('key'), context.req.valid('param').token);
    const cookie = sessionCookie(context);
    const stream = new EventStream(context, {
      ...deps,
      keyStanding: async () => (await sessions.find(cookie)) !== null,
    });
    const tell = () => stream.send({ id: row.changedIn, data: { state: row.state, final: isFinal(row.state) } });
    return stream.answer(async () => {
      tell();
      while (!isFinal(row.state) && !stream.ended.aborted) {
        const { changedIn } = row;
        row = await waiters.wait(row, 'changed', {
          timeoutMs: foreverMs,
          signals: [stream.ended],
        });
        if (row.changedIn !== changedIn) tell();
      }
    });
  });
}
