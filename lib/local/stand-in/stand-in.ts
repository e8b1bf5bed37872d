import { mkdirSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from './connection.ts';
import type { ControlOperation, ControlRequest, ControlResults, Status } from './control-protocol.ts';
import { serveControl } from './control-server.ts';
import { Daemon } from './daemon.ts';
import { Dokku } from './dokku/dokku.ts';
import { HostState } from './dokku/host-state.ts';
import { EventLog } from './event-log.ts';
import type { Flags } from './flags.ts';
import { HostRoot } from './host-root.ts';
import { KnownCommands } from './known-commands.ts';
import { Listener } from './listener.ts';
import { Switches } from './switches.ts';

export interface Clocks {
  now: () => Date;
  /** CLOCK_MONOTONIC in nanoseconds. */
  monotonic: () => bigint;
}

/** The whole stand-in: a daemon, its socket, and the control channel that switches faults on. */
export class StandIn {
  readonly #flags: Flags;
  readonly #log: EventLog;
  readonly #known: KnownCommands;
  readonly #switches = new Switches();
  readonly #daemon: Daemon;
  readonly #listener: Listener;
  readonly #connections = new Map<number, { connection: Connection; socket: Socket }>();
  #control: Server | null = null;

  constructor(flags: Flags, clocks: Clocks) {
    this.#flags = flags;
    mkdirSync(flags.state, { recursive: true });
    this.#log = new EventLog(flags.log, clocks.monotonic);
    const dokku = new Dokku(HostState.load(join(flags.state, 'state.json')), clocks.now);
    this.#known = new KnownCommands(dokku.commands());
    this.#daemon = new Daemon({
      dokku,
      root: new HostRoot(join(flags.state, 'host'), dirname(flags.socket)),
      known: this.#known,
      switches: this.#switches,
      log: this.#log,
      commandMs: flags.commandMs,
    });
    this.#listener = new Listener(flags.socket, (socket) => void this.#accept(socket));
  }

  /** Resolves when both sockets accept. */
  async start(): Promise<void> {
    if (this.#flags.control !== null) {
      this.#control = await serveControl(this.#flags.control, (request) => this.#operate(request));
    }
    await this.#listener.listen();
    this.#log.write({ event: 'listening', pid: process.pid, socket: this.#flags.socket });
  }

  /** Ends everything at once, as the daemon does on SIGTERM: the socket file goes, what runs is cut short. */
  stop(): void {
    this.#listener.remove();
    this.#control?.close();
    this.#endConnections();
    this.#daemon.abandon();
  }

  async #accept(socket: Socket): Promise<void> {
    const id = this.#log.nextConnection();
    this.#log.write({ event: 'connect', connection: id });
    const connection = new Connection(id, socket, this.#daemon, this.#log);
    this.#connections.set(id, { connection, socket });
    socket.on('close', () => this.#connections.delete(id));
    if (this.#flags.connectMs > 0) await delay(this.#flags.connectMs);
    connection.open();
  }

  #endConnections(): number {
    const open = [...this.#connections.values()];
    for (const { connection } of open) connection.end();
    return open.length;
  }

  async #restart(downMs: number, keepLock: boolean): Promise<void> {
    this.#listener.remove();
    this.#endConnections();
    if (!keepLock) this.#daemon.dropLock();
    if (downMs > 0) await delay(downMs);
    await this.#listener.listen();
  }

  #status(): Status {
    return {
      pid: process.pid,
      listener: this.#listener.mode,
      connections: this.#connections.size,
      running: this.#daemon.running(),
      waiting: this.#daemon.waiting(),
    };
  }

  async #operate(request: ControlRequest): Promise<ControlResults[ControlOperation]> {
    switch (request.op) {
      case 'add-switch':
        return { id: this.#switches.add(request.switch) };
      case 'remove-switch':
        return { removed: this.#switches.remove(request.id) };
      case 'release':
        return { released: this.#switches.release(request.id) };
      case 'known-commands':
        this.#known.replace(request.commands);
        return {};
      case 'status':
        return this.#status();
      case 'listener':
        if (request.mode === 'listening') await this.#listener.listen();
        else if (request.mode === 'refusing') this.#listener.refuse();
        else this.#listener.remove();
        if (request.endConnections) this.#endConnections();
        return {};
      case 'end-connections':
        return { ended: this.#endConnections() };
      case 'restart':
        await this.#restart(request.downMs ?? 200, request.keepLock ?? false);
        return {};
      case 'reset':
        this.#switches.reset();
        this.#known.replace(null);
        await this.#listener.listen();
        return {};
      default:
        throw new Error(`unknown op in ${JSON.stringify(request)}; control-protocol.ts lists them`);
    }
  }
}
