import { dirname } from 'node:path';
import type { Server } from '../../../lib/config.ts';
import type { Outcome } from '../../../lib/daemon/connection.ts';
import { probe } from '../../../lib/daemon/probe.ts';
import type { Dialect } from '../../../lib/daemon/reply.ts';
import { type Finding, failed, ok, warning } from './finding.ts';
import type { Remedies } from './remedies.ts';
import { inspectSocketFile, isWritable, type SocketFile } from './socket-file.ts';

/** `commands` is answered by the daemon alone; `help` by Dokku, which takes its time on a slow host. */
const commandsWithinMs = 3000;
const helpWithinMs = 5000;
/** Where dokku-daemon keeps Dokku's lock, unless DOKKU_LOCK_PATH tells it otherwise. */
export const lockFile = '/var/lock/dokku-daemon/dokku-daemon.lock';

/** What is known to hold Dokku's lock, or may do so: then it is not asked for. Null: nothing is known to. */
export type LockHolder = string | null;

type SocketCheckOptions = {
  server: Server;
  jsonServers: ReadonlySet<string>;
  lockHolder: Promise<LockHolder>;
  remedies: Remedies;
};

/** Walks the way of a command to Dokku: the path, the mount, the permission, the daemon, and Dokku's lock. */
export async function checkSocket(options: SocketCheckOptions): Promise<Finding> {
  const { server, remedies } = options;
  const check = `socket of ${server.name}`;
  const path = server.socketPath;
  const file = inspectSocketFile(path);
  const unusable = fileProblem(check, path, file, remedies);
  if (unusable !== null) return unusable;

  const known = await probe({ path, command: 'commands', dialect: server.dialect, timeoutMs: commandsWithinMs });
  if (known.kind !== 'reply') return await noAnswer(check, options, known, file);
  if (!known.ok || known.output.trim() === '') {
    return failed(check, `${path}: the daemon knows no commands`, `echo refresh | nc -U -N ${path}`);
  }
  const holder = await options.lockHolder;
  const lock = holder === null ? await lockProblem(check, options) : null;
  if (lock !== null) return lock;
  const says = `${path} answers; ${holder ?? "Dokku's lock is free"}`;
  if (!file.isMounted) return ok(check, says);
  return warning(
    check,
    `${says}; but the file is mounted, not its folder: it is dead once the daemon restarts`,
    remedies.mountFolderInstead(path, dirname(path)),
  );
}

function fileProblem(check: string, path: string, file: SocketFile, remedies: Remedies): Finding | null {
  const folder = dirname(path);
  switch (file.kind) {
    case 'out of sight':
      return failed(check, `${path}: this user may not search ${file.closedFolder}`, `chmod o+x ${file.closedFolder}`);
    case 'absent':
      return file.missingFolder === null
        ? failed(check, `${path}: there is no socket in this folder`, remedies.startDaemon(path))
        : failed(check, `${path}: there is no folder ${file.missingFolder}`, remedies.makeFolder(folder, path));
    case 'folder':
    case 'file': {
      const isA = file.kind === 'folder' ? 'a folder' : 'a plain file';
      return file.isMounted
        ? failed(check, `${path} is ${isA} that a mount made`, remedies.mountFolderInstead(path, folder))
        : failed(check, `${path} is ${isA}, not a socket`, `rm -r ${path} && ${remedies.restartDaemon(path)}`);
    }
    case 'socket':
      return isWritable(path)
        ? null
        : failed(check, `${path}: this user may not write to the socket`, `chmod 0777 ${path}`);
  }
}

async function noAnswer(
  check: string,
  { server, jsonServers, remedies }: SocketCheckOptions,
  outcome: Exclude<Outcome, { kind: 'reply' }>,
  file: SocketFile,
): Promise<Finding> {
  const path = server.socketPath;
  if (outcome.kind === 'unsent') return notConnected(check, path, outcome.error.code, file, remedies);
  switch (outcome.why) {
    case 'abandoned': {
      const says = `${path}: the daemon accepts, and does not answer within ${commandsWithinMs / 1000} s`;
      return failed(check, says, remedies.restartDaemon(path));
    }
    case 'malformed':
      return await otherDialect(check, 'commands', server, jsonServers, remedies);
    case 'closed':
    case 'error':
      return failed(check, `${path}: the daemon ends the connection without an answer`, remedies.restartDaemon(path));
  }
}

function notConnected(check: string, path: string, code: string, file: SocketFile, remedies: Remedies): Finding {
  if (code !== 'ECONNREFUSED') {
    return failed(check, `${path}: no connection is to be had (${code})`, remedies.restartDaemon(path));
  }
  if (!file.isMounted && !file.isOrphaned) {
    return failed(check, `${path}: nobody listens on this socket`, remedies.startDaemon(path));
  }
  return failed(
    check,
    `${path}: nobody listens any more: the file is mounted, not its folder, and the daemon made it anew`,
    remedies.mountFolderInstead(path, dirname(path)),
  );
}

/** What came is not of the form that is configured: is it of the other one? */
async function otherDialect(
  check: string,
  command: 'commands' | 'help',
  { name, socketPath: path, dialect }: Server,
  jsonServers: ReadonlySet<string>,
  remedies: Remedies,
): Promise<Finding> {
  const other: Dialect = dialect === 'json' ? 'dokku-daemon' : 'json';
  const again = await probe({ path, command, dialect: other, timeoutMs: helpWithinMs });
  if (again.kind !== 'reply') {
    const remedy = `lsof ${path} (it names what listens there: end it), then ${remedies.restartDaemon(path)}`;
    return failed(check, `${path}: what answers there is no dokku-daemon`, remedy);
  }
  if (other === 'json') {
    const names = [...jsonServers, name].join(',');
    return failed(check, `${path}: the daemon sends true JSON`, remedies.set('DOKKU_DAEMON_JSON', names));
  }
  const names = [...jsonServers].filter((server) => server !== name).join(',');
  const remedy = names === '' ? remedies.unset('DOKKU_DAEMON_JSON') : remedies.set('DOKKU_DAEMON_JSON', names);
  return failed(check, `${path}: the daemon sends no true JSON, but dokku-daemon's own form`, remedy);
}

/** Whether `help`, which waits behind Dokku's lock, is answered. */
async function lockProblem(
  check: string,
  { server, jsonServers, remedies }: SocketCheckOptions,
): Promise<Finding | null> {
  const { socketPath: path, dialect } = server;
  const help = await probe({ path, command: 'help', dialect, timeoutMs: helpWithinMs });
  if (help.kind === 'reply') {
    return help.ok ? null : failed(check, `${path}: Dokku does not answer help`, `echo refresh | nc -U -N ${path}`);
  }
  if (help.kind === 'unanswered' && help.why === 'abandoned') {
    return failed(
      check,
      `${path}: another command has held Dokku's lock for more than ${helpWithinMs / 1000} s`,
      `fuser -v ${lockFile} (on the Dokku host; it names the process: wait for it, or end it)`,
    );
  }
  if (help.kind === 'unanswered' && help.why === 'malformed') {
    return await otherDialect(check, 'help', server, jsonServers, remedies);
  }
  return failed(check, `${path}: the daemon answers commands, but not help`, remedies.restartDaemon(path));
}
