import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Which way bytes go through a proxy. */
export type Direction = 'toTarget' | 'toClient';

/**
 * What becomes of a chunk: passed on; left out, with the connection open; both sides cut without it; or passed on,
 * and then cut.
 */
type Verdict = 'forward' | 'swallow' | 'cut' | 'forward-and-cut';

/**
 * Sees a chunk before it is passed on. A chunk is what the socket gave: half a message, or several. The bytes wait
 * for a verdict that is a promise.
 */
export type DataListener = (
  chunk: Buffer,
  connection: ProxyConnection,
) => Verdict | undefined | Promise<Verdict | undefined>;

/** What a connection asks its proxy. */
export interface ProxyControl {
  /** Milliseconds that each chunk is late. */
  readonly delay: number;
  /** Whether everything is swallowed. */
  readonly dropping: boolean;
  /** Settles when nothing is held. */
  flowing(): Promise<void>;
  listeners(direction: Direction): Iterable<DataListener>;
}

/** One client's connection through a proxy, and the proxy's own to the target. */
export interface ProxyConnection {
  /** Counts up from 1. */
  readonly id: number;
  /** Ends both sides at once: a reset on TCP, an end of the stream on a Unix socket. */
  cut(): void;
  /** Swallows everything from now on, both ways, while it stays open. */
  strand(): void;
}

function reset(socket: Socket): void {
  // A socket that is shutting down already cannot be reset any more.
  if (socket.remoteFamily === undefined || socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

/** Joins a client to the target until one of them, or the proxy, ends it; calls `onEnd` then. */
export function joinSockets(
  id: number,
  client: Socket,
  target: NetConnectOpts,
  control: ProxyControl,
  onEnd: () => void,
): ProxyConnection {
  const server = connect({ ...target, allowHalfOpen: true });
  const sockets = [client, server];
  // Once a byte is lost the rest would make no sense: such a connection stays silent until it is cut.
  let silent = false;
  const connection: ProxyConnection = {
    id,
    cut: () => {
      for (const socket of sockets) reset(socket);
    },
    strand: () => {
      silent = true;
    },
  };

  const decide = async (direction: Direction, chunk: Buffer): Promise<Verdict> => {
    if (control.delay > 0) await sleep(control.delay);
    await control.flowing();
    if (silent || control.dropping) return 'swallow';
    for (const listener of control.listeners(direction)) {
      const verdict = await listener(chunk, connection);
      if (verdict !== undefined && verdict !== 'forward') return verdict;
    }
    return 'forward';
  };

  const pump = async (direction: Direction, from: Socket, to: Socket): Promise<void> => {
    for await (const chunk of from.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      const verdict = await decide(direction, chunk);
      if (verdict === 'cut') return connection.cut();
      if (verdict === 'swallow') silent = true;
      else await new Promise<void>((resolve) => to.write(chunk, () => resolve()));
      if (verdict === 'forward-and-cut') {
        // A reset could overtake the bytes just written; the end of the stream comes after them.
        to.destroySoon();
        reset(from);
        return;
      }
    }
    await control.flowing();
    if (!silent && !control.dropping) to.end();
  };

  let open = sockets.length;
  for (const socket of sockets) {
    socket.once('close', () => {
      open -= 1;
      if (open === 0) onEnd();
    });
  }
  for (const [direction, from, to] of [
    ['toTarget', client, server],
    ['toClient', server, client],
  ] as const) {
    // An end by error, or by a cut, of one side is one of the other, but where the proxy plays a dead network.
    from.on('error', () => {
      if (!silent && !control.dropping) reset(to);
    });
    pump(direction, from, to).catch((error: unknown) => {
      if (error === from.errored || (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE') return;
      connection.cut();
      throw error;
    });
  }
  return connection;
}
