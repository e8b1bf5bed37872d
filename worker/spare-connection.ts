import type { Server } from '../lib/config.ts';
import { type DaemonConnection, openConnection } from '../lib/daemon/connection.ts';
import { DaemonUnavailable } from '../lib/daemon/daemon-unavailable.ts';

const connectTimeoutMs = 5000;

/** One idle connection, made ahead of need: connecting costs the daemon as much as a trivial command does. */
export class SpareConnection {
  readonly #server: Server;
  readonly #maximumOutputBytes: number;
  #pending: Promise<DaemonConnection> | undefined;
  #ready: DaemonConnection | undefined;

  constructor(server: Server, maximumOutputBytes: number) {
    this.#server = server;
    this.#maximumOutputBytes = maximumOutputBytes;
  }

  /** Begins to connect, where there is no connection yet. A failure shows when the connection is asked for. */
  prepare(): void {
    this.#connection().catch(ignoreUnavailable);
  }

  /**
   * The idle connection, made now where there is none; it stays the spare one until `use` takes it.
   * @throws DaemonUnavailable
   */
  async get(): Promise<DaemonConnection> {
    try {
      const connection = await this.#connection();
      if (connection.usable) return connection;
      connection.destroy();
    } catch (error) {
      this.#pending = undefined;
      throw error;
    }
    this.#pending = undefined;
    return await this.get();
  }

  /** The idle connection where it is made already and can be used. */
  get ready(): DaemonConnection | undefined {
    return this.#ready?.usable ? this.#ready : undefined;
  }

  /** Takes the connection away: it is used for exactly one command. */
  use(): void {
    this.#pending = undefined;
    this.#ready = undefined;
  }

  close(): void {
    this.#pending?.then((connection) => connection.destroy(), ignoreUnavailable);
    this.#pending = undefined;
  }

  #connection(): Promise<DaemonConnection> {
    if (this.#pending === undefined) {
      const pending = openConnection({
        path: this.#server.socketPath,
        dialect: this.#server.dialect,
        connectTimeoutMs,
        maximumOutputBytes: this.#maximumOutputBytes,
      });
      this.#pending = pending;
      pending.then((connection) => {
        if (this.#pending === pending) this.#ready = connection;
      }, ignoreUnavailable);
    }
    return this.#pending;
  }
}

function ignoreUnavailable(error: unknown): void {
  if (!(error instanceof DaemonUnavailable)) throw error;
}
