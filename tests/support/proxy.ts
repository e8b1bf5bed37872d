import { once } from 'node:events';
import { createServer, type ListenOptions, type NetConnectOpts, type Server } from 'node:net';
import { afterAll } from 'vitest';
import { waitFor } from './process.ts';
import { type DataListener, type Direction, joinSockets, type ProxyConnection } from './proxy-connection.ts';

export interface ProxyOptions {
  /** A postgres:, redis: or http: URL, a port of 127.0.0.1, or the path of a Unix socket. */
  target: string | number;
  /** Listen on this Unix socket; a free port of 127.0.0.1 where it is not given. */
  socketPath?: string;
}

/** Stands between a client and a server and makes the faults of networks. */
export interface TestProxy {
  /** 0 where it listens on a Unix socket. */
  readonly port: number;
  /** The same URL, by way of the proxy. */
  url(of: string): string;
  /** Connections open at this moment. */
  readonly connections: number;
  /** Milliseconds that each chunk comes late, either way; may be set at any time. */
  delay: number;
  /** Ends every open connection at once; new ones are taken as before. */
  cut(): void;
  /** Passes nothing on, and loses nothing: a slow network, or a process that is stopped. */
  hold(): void;
  /** Swallows everything, ends of streams too, while connections stay open: a dead network. */
  drop(): void;
  /** Does so with the connections that are open now, for good; new ones pass: a firewall that has forgotten them. */
  strand(): void;
  /** Ends `hold` and `drop`. A connection that lost bytes stays silent until it is cut. */
  resume(): void;
  /** Takes no new connection: ECONNREFUSED, or ENOENT on a Unix socket. Open ones stay. */
  refuse(): void;
  /** Takes connections again, at the same place. */
  allow(): Promise<void>;
  /** Decides on each chunk; the first listener that does not say `forward` wins. Returns the way to take it off. */
  onData(direction: Direction, listener: DataListener): () => void;
  /** Ends it and every connection; done after the file in any case. */
  stop(): Promise<void>;
}

const DEFAULT_PORTS: Record<string, number> = { 'postgres:': 5432, 'postgresql:': 5432, 'redis:': 6379, 'http:': 80 };

const running = new Set<TestProxy>();

afterAll(async () => {
  for (const proxy of running) await proxy.stop();
});

function targetOf(target: string | number): NetConnectOpts {
  if (typeof target === 'number') return { host: '127.0.0.1', port: target };
  if (target.startsWith('/')) return { path: target };
  const url = new URL(target);
  const port = Number(url.port) || DEFAULT_PORTS[url.protocol];
  if (port === undefined) throw new Error(`${url.protocol} has no port that is known here; name one in the URL`);
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port };
}

function placeOf(options: ProxyOptions, port: number): ListenOptions {
  return options.socketPath === undefined ? { host: '127.0.0.1', port } : { path: options.socketPath };
}

/** Starts a proxy that passes everything on until it is told otherwise. */
export async function startProxy(options: ProxyOptions): Promise<TestProxy> {
  const target = targetOf(options.target);
  const connections = new Set<ProxyConnection>();
  const listeners: Record<Direction, Set<DataListener>> = { toTarget: new Set(), toClient: new Set() };
  const waiting = new Set<() => void>();
  let count = 0;
  let held = false;
  let dropping = false;

  const listen = async (where: ListenOptions): Promise<Server> => {
    const listening = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      count += 1;
      const connection = joinSockets(count, client, target, control, () => connections.delete(connection));
      connections.add(connection);
    });
    listening.listen(where);
    await once(listening, 'listening');
    return listening;
  };
  const control = {
    get delay() {
      return proxy.delay;
    },
    get dropping() {
      return dropping;
    },
    flowing: async () => {
      while (held) await new Promise<void>((resolve) => waiting.add(resolve));
    },
    listeners: (direction: Direction) => listeners[direction],
  };

  const first = await listen(placeOf(options, 0));
  const address = first.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  let server = first;

  const proxy: TestProxy = {
    port,
    delay: 0,
    url: (of) => {
      if (options.socketPath !== undefined) throw new Error('A URL cannot lead to a Unix socket: give the path itself');
      const url = new URL(of);
      url.hostname = '127.0.0.1';
      url.port = String(port);
      return url.href;
    },
    get connections() {
      return connections.size;
    },
    cut: () => {
      for (const connection of connections) connection.cut();
    },
    hold: () => {
      held = true;
    },
    drop: () => {
      dropping = true;
    },
    strand: () => {
      for (const connection of connections) connection.strand();
    },
    resume: () => {
      held = false;
      dropping = false;
      for (const go of waiting) go();
      waiting.clear();
    },
    refuse: () => {
      // It stops listening at once; "closed" comes only with the end of the last connection.
      if (server.listening) server.close();
    },
    allow: async () => {
      if (server.listening) return;
      server = await listen(placeOf(options, port));
    },
    onData: (direction, listener) => {
      listeners[direction].add(listener);
      return () => listeners[direction].delete(listener);
    },
    stop: async () => {
      proxy.refuse();
      proxy.resume();
      // Again and again: a connection may have been taken at the moment of the first cut.
      const allCut = () => {
        proxy.cut();
        return connections.size === 0;
      };
      await waitFor(allCut, { describe: 'the end of the proxied connections' });
      running.delete(proxy);
    },
  };
  running.add(proxy);
  return proxy;
}
