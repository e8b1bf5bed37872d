import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const waitMs = 3000;

/**
 * Resolves when the port can be listened on. A web process whose starter was killed needs a moment to notice.
 * @throws Error in one line where it stays taken
 */
export async function portComesFree(host: string, port: number): Promise<void> {
  for (const began = performance.now(); ; await sleep(100)) {
    const code = await tryListen(host, port);
    if (code === null) return;
    if (code !== 'EADDRINUSE' || performance.now() - began > waitMs) {
      const what = code === 'EADDRINUSE' ? 'is taken' : `cannot be listened on (${code})`;
      throw new Error(
        `Port ${port} of ${host} ${what}: end what uses it, or choose another, as in PORT=3001 npm start`,
      );
    }
  }
}

/** The system's name for why it cannot be listened on, or null. */
function tryListen(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)));
  });
}
