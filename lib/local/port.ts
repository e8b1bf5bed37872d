import { createServer } from 'node:net';

/** Listens on a loopback port for a moment; 0 lets the system choose. */
function tryListen(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      const address = server.address();
      server.close(() => {
        if (address !== null && typeof address === 'object') resolve(address.port);
        else reject(new Error('The system gave no port'));
      });
    });
  });
}

/** A TCP port that nobody listens on at 127.0.0.1 at this moment. */
export function freePort(): Promise<number> {
  return tryListen(0);
}

/**
 * @param server the name of what wants to listen there, for the message
 * @throws Error in one line when the port is taken or may not be used
 */
export async function assertPortFree(port: number, server: string): Promise<void> {
  try {
    await tryListen(port);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const why = code === 'EADDRINUSE' ? 'is taken' : code === 'EACCES' ? 'is not allowed to this user' : code;
    throw new Error(`${server} cannot start: port ${port} of 127.0.0.1 ${why}; free it or choose another`, {
      cause: error,
    });
  }
}
