import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

export interface Canary {
  readonly port: number;
  /** TCP connections that reached it. */
  readonly connections: number;
  /** Of those, the ones open now. */
  readonly openConnections: number;
  /** Bytes that those sent. */
  readonly bytes: number;
  stop(): Promise<void>;
}

/** Listens where nothing of ours may connect, on 127.0.0.1 and, where the machine has it, on ::1, and counts. */
export async function startCanary(port = 0): Promise<Canary> {
  const sockets = new Set<Socket>();
  let connections = 0;
  let bytes = 0;
  const listen = (host: string, onPort: number) =>
    new Promise<Server>((resolve, reject) => {
      const server = createServer((socket) => {
        connections += 1;
        sockets.add(socket);
        socket.once('close', () => sockets.delete(socket));
        socket.on('data', (chunk) => {
          bytes += chunk.length;
        });
        socket.on('error', () => socket.destroy());
      });
      server.once('error', reject);
      server.listen(onPort, host, () => resolve(server));
    });

  const first = await listen('127.0.0.1', port);
  const bound = (first.address() as AddressInfo).port;
  const servers = [first];
  try {
    servers.push(await listen('::1', bound));
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    // Such a machine has no IPv6 loopback, so nothing can connect to it either.
    if (code !== 'EADDRNOTAVAIL' && code !== 'EAFNOSUPPORT') throw error;
  }
  return {
    port: bound,
    get connections() {
      return connections;
    },
    get openConnections() {
      return sockets.size;
    },
    get bytes() {
      return bytes;
    },
    async stop() {
      const closed = servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
      for (const socket of sockets) socket.destroy();
      await Promise.all(closed);
    },
  };
}
