import { type BigIntStats, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { DaemonUnavailable } from './daemon-unavailable.ts';
import { createReplyDecoder, type Dialect, type Reply, type ReplyDecoder } from './reply.ts';

/**
 * What became of one command.
 * - `reply`: the daemon's whole answer line.
 * - `unsent`: provably nothing was written, so it may be sent on another connection.
 * - `unanswered`: it was or may have been written, and no valid answer came: the daemon `closed`, the line was
 *   `malformed`, the socket failed (`error`), or this side called `destroy` (`abandoned`). It must not be sent again.
 */
export type Outcome = ({ kind: 'reply' } & Reply) | { kind: 'unsent'; error: DaemonUnavailable } | Unanswered;

type Unanswered = { kind: 'unanswered'; why: 'closed' | 'malformed' | 'error' | 'abandoned'; error: Error };

/** A connection that carries exactly one command, because a second one's `ok` can be the first one's. */
export type DaemonConnection = {
  /** Whether a command may be sent: false once one was, once the daemon closed, or once it sent anything unasked. */
  readonly usable: boolean;
  /** Resolves when the socket is closed, by whichever side. */
  readonly closed: Promise<void>;
  /**
   * Differs from that of every socket file made at the same path before or after. It holds the time of making too:
   * file systems give a removed file's inode number to the next one.
   */
  readonly socketIdentity: string;
  /**
   * Writes the command as one line in one write, before it returns, and resolves with what became of it. There is no
   * time limit and no rejection: race it against a clock, and keep the promise for the late answer.
   * @throws TypeError before anything is written, when the command holds a newline (the daemon would run two commands)
   *   or this connection was given one before
   */
  send(command: string): Promise<Outcome>;
  /** Closes the connection. A command already sent runs to its end all the same. */
  destroy(): void;
};

export type ConnectionOptions = {
  /** The path of the daemon's socket, at most 107 bytes. */
  path: string;
  connectTimeoutMs: number;
  maximumOutputBytes: number;
  dialect: Dialect;
  /** Gives up the attempt to connect; it has no say in what follows. */
  signal?: AbortSignal | undefined;
};

/**
 * Connects to a daemon. While idle the connection does not hold the process open; from `send` on it does.
 * @throws DaemonUnavailable, and nothing else, where there is no connection to be had
 */
export async function openConnection(options: ConnectionOptions): Promise<DaemonConnection> {
  const { path, connectTimeoutMs, signal } = options;
  const socketIdentity = identifySocket(path);
  const socket = connect({ path });
  const connection = connectionOver(socket, path, socketIdentity, createReplyDecoder(options));
  try {
    await connected(socket, path, connectTimeoutMs, signal);
    if (identifySocket(path) !== socketIdentity) throw new DaemonUnavailable('ESTALE', path);
  } catch (error) {
    connection.destroy();
    throw error;
  }
  socket.unref();
  return connection;
}

/**
 * What tells the socket file at a path from every one made there before or after.
 * @throws DaemonUnavailable where there is none
 */
export function identifySocket(path: string): string {
  const file = statusOf(path);
  if (!file.isSocket()) throw new DaemonUnavailable('ENOTSOCK', path);
  return `${file.dev}:${file.ino}:${file.mtimeNs}`;
}

/** Not by the thread pool, which took a sixth of a worker's time: it blocks no longer than `connect` does. */
function statusOf(path: string): BigIntStats {
  try {
    return statSync(path, { bigint: true });
  } catch (error) {
    throw unavailable(path, error as NodeJS.ErrnoException);
  }
}

function unavailable(path: string, error: NodeJS.ErrnoException): DaemonUnavailable {
  return new DaemonUnavailable(error.code ?? error.name, path, error);
}

/** Settles with the attempt to connect, and leaves no listener and no timer behind. */
function connected(socket: Socket, path: string, timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: DaemonUnavailable) => {
      clearTimeout(timer);
      socket.off('connect', succeed).off('error', fail);
      signal?.removeEventListener('abort', giveUp);
      if (error === undefined) resolve();
      else reject(error);
    };
    const succeed = () => settle();
    const fail = (error: NodeJS.ErrnoException) => settle(unavailable(path, error));
    const giveUp = () => settle(new DaemonUnavailable('ECANCELED', path, signal?.reason));
    const timer = setTimeout(() => settle(new DaemonUnavailable('ETIMEDOUT', path)), timeoutMs);
    socket.on('connect', succeed).on('error', fail);
    signal?.addEventListener('abort', giveUp);
    if (signal?.aborted) giveUp();
  });
}

function connectionOver(socket: Socket, path: string, socketIdentity: string, decoder: ReplyDecoder): DaemonConnection {
  let dead: DaemonUnavailable | undefined;
  let given = false;
  let answer: ((outcome: Outcome) => void) | undefined;

  // Of all that ends a connection, only the first counts: it decides the outcome, or why there will be none.
  const settle = (outcome: Outcome) => {
    answer?.(outcome);
    answer = undefined;
    socket.destroy();
  };
  const fail = (code: string, why: Unanswered['why'], what: string, cause?: Error) => {
    if (given && answer === undefined) return void socket.destroy();
    if (!given) dead ??= new DaemonUnavailable(code, path, cause);
    const message = `${path}: ${what} after ${socket.bytesRead} bytes of an answer. See whether the command ran.`;
    settle({ kind: 'unanswered', why, error: new Error(message, { cause }) });
  };
  const failClosed = () => fail('EOF', 'closed', 'dokku-daemon closed the connection');
  const failMalformed = () =>
    fail('EPROTO', 'malformed', 'what came is not the line that such a daemon answers (is DOKKU_DAEMON_JSON right?)');

  socket.on('data', (chunk) => {
    if (!given) return failMalformed();
    const reply = decoder.push(chunk);
    if (reply === 'malformed') failMalformed();
    else if (reply !== undefined) settle({ kind: 'reply', ...reply });
  });
  socket.on('end', failClosed);
  socket.on('error', (error: NodeJS.ErrnoException) =>
    fail(error.code ?? error.name, 'error', `the socket failed (${error.message})`, error),
  );
  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => {
      failClosed();
      resolve();
    });
  });

  return {
    get usable() {
      return !given && dead === undefined;
    },
    closed,
    socketIdentity,
    send(command) {
      if (command.includes('\n')) throw new TypeError('A command is one line: it must not hold a newline.');
      if (given) throw new TypeError('This connection was given its one command: open another.');
      given = true;
      if (dead !== undefined) return Promise.resolve({ kind: 'unsent', error: dead });
      return new Promise((resolve) => {
        answer = resolve;
        socket.ref();
        socket.write(Buffer.from(`${command}\n`));
      });
    },
    destroy() {
      fail('ECANCELED', 'abandoned', 'this side closed the connection');
    },
  };
}
