import type { CommandSummary } from '../../../db/command-summaries.ts';
import { CommandBadge } from './badge.tsx';
import { CommandLine } from './command-line.tsx';
import { Age, Duration, Elapsed } from './time.tsx';

/** A command in the list. The same row comes with the page and with the events that keep it up to date. */
export function CommandRow({ command, now }: { command: CommandSummary; now: number }) {
  const { id, token, state, server, createdAt } = command;
  return (
    <tr id={`command-${id}`} data-id={id} data-state={state}>
      <td class="at-state">
        <CommandBadge state={state} />
      </td>
      <td class="at-command">
        <a class="row-link" href={`/console/commands/${token}`}>
          <CommandLine text={command.command} />
        </a>
        <span class="at-narrow">
          <span>{server}</span>
          <span>
            <Age at={createdAt} now={now} /> ago
          </span>
          <span>
            <RunTime command={command} now={now} />
          </span>
        </span>
      </td>
      <td class="at-server">{server}</td>
      <td class="at-age number">
        <Age at={createdAt} now={now} />
      </td>
      <td class="at-duration number">
        <RunTime command={command} now={now} />
      </td>
      <td class="at-id number">{id}</td>
    </tr>
  );
}

function RunTime({ command: { state, startedAt, durationMs }, now }: { command: CommandSummary; now: number }) {
  if (durationMs !== null) return <Duration milliseconds={durationMs} />;
  if (state === 'running' && startedAt !== null) return <Elapsed at={startedAt} now={now} />;
  return <span class="none">–</span>;
}
