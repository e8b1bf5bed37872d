import type { ServerStatus } from '../../../db/server-status.ts';
import { Notice } from './notice.tsx';
import { Age } from './time.tsx';

/** Where dokku-daemon keeps Dokku's lock, unless DOKKU_LOCK_PATH tells it otherwise. */
const dokkuLock = '/var/lock/dokku-daemon/dokku-daemon.lock';

/** Why a server runs nothing, and what to do about it; nothing where it does. */
export function ServerProblem({ status, now }: { status: ServerStatus; now: number }) {
  const { state, since, server, worker, blockedBy } = status;
  if (worker === null) return <NoWorker servers={`the server ${server}`} />;
  if (state === 'unreachable') {
    return (
      <Notice tone="bad">
        <strong>
          The daemon of {server} has been out of reach for <SinceAge since={since} now={now} />.
        </strong>{' '}
        Look whether dokku-daemon runs on the host and its socket’s folder is mounted; <code>npm run -s doctor</code>{' '}
        says which it is. A command whose turn it is waits for DAEMON_WAIT seconds, then fails without having been sent.
      </Notice>
    );
  }
  if (state === 'blocked') {
    return (
      <Notice tone="warning">
        <strong>
          {server} has been blocked for <SinceAge since={since} now={now} />
        </strong>
        , since <BlockedBy token={blockedBy} /> was given up: Dokku may still be at work on it. The next command runs as
        soon as Dokku’s lock is free. Where it stays so, type on the Dokku host <code>fuser -v {dokkuLock}</code>: it
        names what holds the lock. <code>npm run -s doctor</code> looks further.
      </Notice>
    );
  }
  return null;
}

export function NoWorker({ servers }: { servers: string }) {
  return (
    <Notice tone="bad">
      <strong>No live worker has {servers}.</strong> Commands wait until one does. Start a worker that has it
      configured: <code>npm run worker</code>, or <code>ps:scale worker=1</code> for dokku-api as an app of Dokku.{' '}
      <code>npm run -s doctor</code> looks for the cause.
    </Notice>
  );
}

function SinceAge({ since, now }: { since: Date | null; now: number }) {
  return since === null ? <>some time</> : <Age at={since} now={now} />;
}

function BlockedBy({ token }: { token: string | null }) {
  if (token === null) return <>a command</>;
  return <a href={`/console/commands/${token}`}>this command</a>;
}
