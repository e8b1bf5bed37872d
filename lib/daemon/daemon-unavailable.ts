/**
 * Why no command can be sent to a daemon: nothing was written to it. `code` is the system's name for it (ENOENT,
 * ECONNREFUSED, EACCES, EAGAIN, ENOTSOCK …), or one of ETIMEDOUT (no connection in the time given), ECANCELED (this
 * side gave up), ESTALE (the socket file was made anew meanwhile), EOF (the daemon closed an idle connection), EPROTO
 * (the daemon spoke unasked).
 */
export class DaemonUnavailable extends Error {
  override name = 'DaemonUnavailable';
  readonly code: string;
  readonly path: string;

  constructor(code: string, path: string, cause?: unknown) {
    super(`${path}: ${reasons[code] ?? `the system says ${code}. See that dokku-daemon runs and listens there.`}`, {
      cause,
    });
    this.code = code;
    this.path = path;
  }
}

const mountTheFolder =
  'mount its folder into the app, not the file (dokku storage:mount <app> /var/run/dokku-daemon:/var/run/dokku-daemon)';
const isNoSocket = `is not a socket. Where a mount made it, ${mountTheFolder}.`;
const grantAccess =
  'access is denied. Let this user write to the socket (mode 0777, as dokku-daemon makes it) and search its folders.';

const reasons: Readonly<Record<string, string>> = {
  ENOENT: `there is no such socket. Start dokku-daemon on the Dokku host, and ${mountTheFolder}.`,
  ENOTDIR: `there is no such socket. Start dokku-daemon on the Dokku host, and ${mountTheFolder}.`,
  ENOTSOCK: isNoSocket,
  ECONNREFUSED: `nobody listens on this socket. Start dokku-daemon; where it runs, ${mountTheFolder}: a restart makes the file anew.`,
  EACCES: grantAccess,
  EPERM: grantAccess,
  EPROTOTYPE: 'this is a socket of another type than dokku-daemon makes. Correct the path.',
  EAGAIN: 'too many connections wait for dokku-daemon to accept them. See whether it hangs, and try again.',
  ETIMEDOUT: 'dokku-daemon did not accept the connection in time. See whether it hangs, and try again.',
  ECANCELED: 'the connection was given up on this side before anything was sent.',
  ESTALE: 'the socket was made anew while connecting: dokku-daemon is restarting. Try again.',
  EOF: 'dokku-daemon closed the connection before anything was sent: it is restarting. Try again.',
  EPROTO: 'the other side spoke before it was asked, so it is no dokku-daemon. Correct the path.',
};
