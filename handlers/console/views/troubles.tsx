import type { ServerStatus } from '../../../db/server-status.ts';
import type { Readiness } from '../console-dependencies.ts';
import { Notice } from './notice.tsx';
import { Age } from './time.tsx';

type TroublesProps = { servers: readonly ServerStatus[]; readiness: Readiness; now: number };

/** What keeps commands from running, in short, above what somebody came for; nothing where all is well. */
export function Troubles({ servers, readiness, now }: TroublesProps) {
  const stopped = servers.filter(
    ({ worker, state }) => worker === null || state === 'unreachable' || state === 'blocked',
  );
  return (
    <>
      <SystemTroubles readiness={readiness} />
      {stopped.length > 0 && (
        <Notice tone={stopped.every(isBlocked) ? 'warning' : 'bad'}>
          <strong>Nothing runs on {stopped.length === 1 ? stopped[0]?.server : `${stopped.length} servers`}.</strong>{' '}
          <a href="/console/servers">See what to do</a>
          <ul class="troubles">
            {stopped.map((status) => (
              <li>
                {stopped.length > 1 && <strong>{status.server}: </strong>}
                <Why status={status} now={now} />
              </li>
            ))}
          </ul>
        </Notice>
      )}
    </>
  );
}

/** What concerns every server. */
export function SystemTroubles({ readiness: { migrations, redis } }: { readiness: Readiness }) {
  return (
    <>
      {migrations === 'unavailable' && (
        <Notice tone="bad">
          <strong>The database does not have the tables of this version.</strong> Apply its migrations:{' '}
          <code>npm run -s migrate</code>, in an app of Dokku by <code>dokku run</code>.
        </Notice>
      )}
      {redis === 'degraded' && (
        <Notice tone="warning">
          <strong>Redis cannot be used.</strong> Commands run all the same, each up to 2 s later.{' '}
          <code>npm run -s doctor</code> says why, and what to do.
        </Notice>
      )}
    </>
  );
}

function isBlocked({ worker, state }: ServerStatus): boolean {
  return worker !== null && state === 'blocked';
}

function Why({ status: { worker, state, since }, now }: { status: ServerStatus; now: number }) {
  if (worker === null) return <>No live worker has it.</>;
  const what =
    state === 'blocked' ? 'Dokku may still be busy with a command that was given up' : 'Its daemon is out of reach';
  if (since === null) return <>{what}.</>;
  return (
    <>
      {what}, for <Age at={since} now={now} />.
    </>
  );
}
