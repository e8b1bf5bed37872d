import type { CommandView } from '../../../db/command-view.ts';
import type { CommandReason } from '../../../lib/command.ts';
import { Notice } from './notice.tsx';

/** What a reason means for whoever asked for the command, and what to do next. */
export function StateExplanation({ command }: { command: CommandView }) {
  const { reason } = command;
  if (reason === null) return null;
  return <Notice tone={reason === 'command_canceled' ? 'info' : 'warning'}>{explain(reason, command)}</Notice>;
}

function explain(reason: CommandReason, { timeoutSeconds, server, lateOutput }: CommandView): string {
  const late =
    lateOutput === null ? 'If Dokku still answers, it is shown here.' : 'What Dokku answered later is below.';
  switch (reason) {
    case 'command_timed_out':
      return `It ran longer than the ${timeoutSeconds} s it was given, and is not waited for any more. Dokku may still be at work on it. ${late}`;
    case 'command_lost':
      return `It was sent to Dokku, and its answer could not be had. It may have run or not: look at the app before you run it again. ${late}`;
    case 'command_canceled':
      return 'It was canceled before it began: Dokku never saw it.';
    case 'daemon_unavailable':
      return `The daemon of ${server} did not accept it in time, so it was never sent. Run it again once the server is reachable; npm run -s doctor says what is wrong.`;
    case 'server_removed':
      return `No worker had the server ${server} configured for a minute, so it was given up. Configure the server in DOKKU_SERVERS of the workers, then run it again.`;
  }
}
