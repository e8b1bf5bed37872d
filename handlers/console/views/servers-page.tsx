import { queueCountedTo, type ServerStatus } from '../../../db/server-status.ts';
import type { Readiness } from '../console-dependencies.ts';
import { listPath } from '../list-filter.ts';
import type { Session } from '../session.ts';
import { ServerBadge } from './badge.tsx';
import { CommandLine } from './command-line.tsx';
import { Page } from './layout.tsx';
import { Live } from './live.tsx';
import { NoWorker, ServerProblem } from './server-problem.tsx';
import { Age, Elapsed } from './time.tsx';
import { SystemTroubles } from './troubles.tsx';

type ServersPageProps = { session: Session; servers: readonly ServerStatus[]; readiness: Readiness; now: number };

/** Leases and workers change without an event, so the page is looked at again this often. */
const lookAgainMs = 2000;

export function ServersPage({ session, servers, readiness, now }: ServersPageProps) {
  const isUnmanned = servers.length > 1 && servers.every(({ worker }) => worker === null);
  return (
    <Page title="Servers" section="Servers" session={session} now={now}>
      <div id="watch" hidden data-live-region data-live-every={lookAgainMs} />
      <div class="page-head">
        <h1>Servers</h1>
        <Live />
      </div>
      <div id="troubles" data-live-region>
        <SystemTroubles readiness={readiness} />
        {isUnmanned && <NoWorker servers="any of these servers" />}
      </div>
      <div class="servers">
        {servers.map((status) => (
          <Server status={status} isToldAbove={isUnmanned} now={now} />
        ))}
      </div>
    </Page>
  );
}

function Server({ status, isToldAbove, now }: { status: ServerStatus; isToldAbove: boolean; now: number }) {
  const { server, state, since, queued, oldestQueuedMs, running, worker } = status;
  return (
    <section class="panel server" id={`server-${server}`} data-live-region aria-labelledby={`name-${server}`}>
      <div class="panel-head">
        <h2 id={`name-${server}`}>{server}</h2>
        <span class="server-state">
          <ServerBadge state={state} isRun={worker !== null} />
          {since !== null && worker !== null && (
            <span class="hint">
              for <Age at={since} now={now} />
            </span>
          )}
        </span>
      </div>
      {!isToldAbove && <ServerProblem status={status} now={now} />}
      <dl class="facts">
        <div>
          <dt>Runs</dt>
          <dd>
            {running === null ? (
              <span class="hint">nothing</span>
            ) : (
              <>
                <a href={`/console/commands/${running.token}`} class="mono clip">
                  <CommandLine text={running.command.slice(0, 200)} />
                </a>
                <span class="hint">
                  for <Elapsed at={running.startedAt} now={now} /> of {running.timeoutSeconds} s allowed
                </span>
              </>
            )}
          </dd>
        </div>
        <div>
          <dt>Queue</dt>
          <dd>
            {queued === 0 ? (
              <span class="hint">empty</span>
            ) : (
              <>
                <a href={listPath({ state: 'queued', server, text: '' })}>{waiting(queued)}</a>
                {oldestQueuedMs !== null && (
                  <span class="hint">
                    the oldest for <Age at={new Date(now - oldestQueuedMs)} now={now} />
                  </span>
                )}
              </>
            )}
          </dd>
        </div>
        <div>
          <dt>Worker</dt>
          <dd>
            {worker === null ? (
              <span class="hint">none</span>
            ) : (
              <>
                {worker.host} <span class="hint">version {worker.version}</span>
                <span class="mono hint">{worker.id}</span>
              </>
            )}
          </dd>
        </div>
      </dl>
    </section>
  );
}

function waiting(queued: number): string {
  const count = queued.toLocaleString('en');
  if (queued >= queueCountedTo) return `${count} or more commands`;
  return `${count} ${queued === 1 ? 'command' : 'commands'}`;
}
