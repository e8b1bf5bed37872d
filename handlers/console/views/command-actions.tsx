import type { CommandView } from '../../../db/command-view.ts';
import { isFinal } from '../../../lib/command.ts';
import type { Session } from '../session.ts';
import { FormToken, SentOnce } from './form-token.tsx';
import { Icon } from './icon.tsx';

/** What can be done about a command in its state. */
export function CommandActions({ command: { token, state }, session }: { command: CommandView; session: Session }) {
  if (state === 'queued') {
    return (
      <form method="post" action={`/console/commands/${token}/cancel`}>
        <FormToken session={session} />
        <button class="button" type="submit" id="cancel">
          <Icon name="dash" />
          Cancel
        </button>
      </form>
    );
  }
  if (!isFinal(state)) return <span class="hint">Nothing stops a command that has begun.</span>;
  return (
    <form method="post" action={`/console/commands/${token}/retry`}>
      <FormToken session={session} />
      <SentOnce />
      <button class="button" type="submit" id="retry">
        <Icon name="retry" />
        Run it again
      </button>
    </form>
  );
}
