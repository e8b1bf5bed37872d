import { lstatSync, renameSync, rmSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { basename, dirname, join } from 'node:path';
import type { ListenerMode } from './control-protocol.ts';

/**
 * The daemon's socket file and what listens behind it. The file is bound under a hidden name and moved into place:
 * it appears with its mode set, replaces a stale one, and is ours to keep or to remove when listening ends.
 */
export class Listener {
  readonly path: string;
  readonly #onConnection: (socket: Socket) => void;
  #server: Server | null = null;
  #mode: ListenerMode = 'absent';

  constructor(path: string, onConnection: (socket: Socket) => void) {
    this.path = path;
    this.#onConnection = onConnection;
  }

  get mode(): ListenerMode {
    return this.#mode;
  }

  /** Throws where something that is not a socket stands at the path. */
  async listen(): Promise<void> {
    if (this.#server !== null) return;
    this.#refuseToReplaceOther();
    const bound = join(dirname(this.path), `.${process.pid.toString(36)}`);
    rmSync(bound, { force: true });
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, this.#onConnection);
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => {
        reject(new Error(`cannot listen on ${this.path}; is its folder there and writable?`, { cause: error }));
      });
      server.listen(bound, () => resolve());
    });
    await chmod(bound, 0o777);
    renameSync(bound, this.path);
    this.#server = server;
    this.#mode = 'listening';
  }

  /** New connections fail with ECONNREFUSED: the file stays, nobody listens. */
  refuse(): void {
    this.#close();
    this.#mode = 'refusing';
  }

  /** New connections fail with ENOENT. */
  remove(): void {
    this.#close();
    rmSync(this.path, { force: true });
    this.#mode = 'absent';
  }

  #close(): void {
    this.#server?.close();
    this.#server = null;
  }

  #refuseToReplaceOther(): void {
    const present = lstatSync(this.path, { throwIfNoEntry: false });
    if (present !== undefined && !present.isSocket()) {
      throw new Error(
        `${this.path} is there and is not a socket: move ${basename(this.path)} away or choose another path`,
      );
    }
  }
}
