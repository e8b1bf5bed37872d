import type { CommandView } from '../../../db/command-view.ts';
import type { AttemptRow, DeliveryRow } from '../../../db/deliveries.ts';
import type { ServerStatus } from '../../../db/server-status.ts';
import { isFinal, parseResultJson } from '../../../lib/command.ts';
import type { Session } from '../session.ts';
import { CommandBadge } from './badge.tsx';
import { CommandActions } from './command-actions.tsx';
import { CommandFacts } from './command-facts.tsx';
import { CommandLine } from './command-line.tsx';
import { Deliveries } from './deliveries.tsx';
import { JsonTree } from './json-tree.tsx';
import { Page } from './layout.tsx';
import { Live } from './live.tsx';
import { Notice } from './notice.tsx';
import { ServerProblem } from './server-problem.tsx';
import { StateExplanation } from './state-explanation.tsx';
import { formatBytes, TerminalOutput } from './terminal-output.tsx';

export type CommandPageProps = {
  session: Session;
  command: CommandView;
  found: { delivery: DeliveryRow; attempts: readonly AttemptRow[] } | null;
  /** Of a command that waits: how its server stands, and how many are ahead of it. */
  waiting: { status: ServerStatus | undefined; ahead: number } | null;
  /** What an action did, or why it could not. */
  done?: string | undefined;
  problem?: string | undefined;
  now: number;
};

/** How often a page looks for what no event tells of: attempts at a callback, a late answer. */
const lookAgainMs = 3000;
/** Characters of the command line in the title; one that is longer folds. */
const titleAtMost = 300;

export function CommandPage(props: CommandPageProps) {
  const { session, command, found, done, problem, now } = props;
  const { id, token, state, callbackUrl } = command;
  const changesUnannounced =
    found?.delivery.state === 'pending' || (command.lateOutput === null && (state === 'lost' || state === 'timed_out'));
  const isLong = command.command.length > titleAtMost;
  return (
    <Page title={`Command ${id}`} session={session} section="Commands" now={now}>
      <div class="above-title">
        <nav class="trail" aria-label="Breadcrumb">
          <a href="/console">Commands</a>
          <span aria-hidden="true">/</span>
          <span aria-current="page">{id}</span>
        </nav>
        {(changesUnannounced || !isFinal(state)) && <Live />}
      </div>
      <div
        id="watch"
        hidden
        data-live-region
        data-live-events={isFinal(state) ? undefined : `/console/commands/${token}/events`}
        data-live-every={changesUnannounced ? lookAgainMs : undefined}
      />
      <h1 class="command-title">
        <span class="unseen">Command </span>
        <CommandLine text={isLong ? `${command.command.slice(0, titleAtMost)}…` : command.command} />
      </h1>
      {isLong && (
        <details class="whole-command">
          <summary>The whole command line, {formatBytes(Buffer.byteLength(command.command))}</summary>
          <pre>
            <CommandLine text={command.command} />
          </pre>
        </details>
      )}
      <div class="command-status" id="status" data-live-region>
        <span data-announce={`Command ${id}`}>
          <CommandBadge state={state} />
        </span>
        <CommandActions command={command} session={session} />
      </div>
      {done !== undefined && (
        <Notice tone="good" role="status">
          {done}
        </Notice>
      )}
      {problem !== undefined && (
        <Notice tone="bad" role="alert">
          {problem}
        </Notice>
      )}
      <div class="command-columns">
        <div class="command-main">
          <div id="result" data-live-region>
            <StateExplanation command={command} />
            <Result {...props} />
          </div>
          <div id="callback" data-live-region>
            {callbackUrl !== null && (
              <Deliveries token={token} callbackUrl={callbackUrl} found={found} session={session} now={now} />
            )}
          </div>
        </div>
        <div id="details" data-live-region>
          <CommandFacts command={command} now={now} />
        </div>
      </div>
    </Page>
  );
}

function Result({ command, waiting, now }: CommandPageProps) {
  const { token, state, output, lateOutput, reason, outputTruncated } = command;
  const rawPath = `/console/commands/${token}/output`;
  if (output === null) return <NoResultYet state={state} waiting={waiting} now={now} />;
  const json = 'whole' in output && reason === null ? parseResultJson(output.whole) : null;
  return (
    <>
      {outputTruncated && (
        <Notice tone="warning">The output was longer than RESULT_MAX_BYTES, and its end was cut.</Notice>
      )}
      {json !== null && (
        <div class="panel">
          <h2>Output as JSON</h2>
          <JsonTree value={json} />
        </div>
      )}
      {reason === null && (
        <div class="result">
          <h2>Output</h2>
          <TerminalOutput text={output} label="Output" rawPath={rawPath} />
        </div>
      )}
      {lateOutput !== null && (
        <div class="result">
          <h2>Late answer: {command.lateOk ? 'it succeeded' : 'it failed'}</h2>
          <TerminalOutput text={lateOutput} label="Late answer" rawPath={`${rawPath}?late=1`} />
        </div>
      )}
    </>
  );
}

function NoResultYet({ state, waiting, now }: { state: string; waiting: CommandPageProps['waiting']; now: number }) {
  if (state === 'running' || waiting === null) {
    return (
      <div class="empty waiting">
        <span class="spinner" aria-hidden="true" />
        <h2>Dokku is at work</h2>
        <p>Its output comes when it has ended, all at once.</p>
      </div>
    );
  }
  const { status, ahead } = waiting;
  const runs = status?.state === 'busy' || (status?.state === 'idle' && status.worker !== null);
  return (
    <>
      {status !== undefined && <ServerProblem status={status} now={now} />}
      <div class="empty waiting">
        <span class="spinner" aria-hidden="true" />
        <h2>Waiting for its turn</h2>
        <p>
          {ahead === 0 ? 'It is the next one' : `${ahead} ${ahead === 1 ? 'command is' : 'commands are'} ahead of it`}
          {runs ? '.' : ', once the server runs commands again.'}
        </p>
      </div>
    </>
  );
}
