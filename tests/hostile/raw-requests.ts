import { connect } from 'node:net';

/**
 * Writes bytes to a connection, closes its sending side, and reads until the server has closed its own.
 * @returns what came, a character a byte
 * @throws Error where the server has not closed it in time
 */
export async function exchange(url: string, bytes: Uint8Array | string, timeoutMs = 5000): Promise<string> {
  const { port, hostname } = new URL(url);
  const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true });
  let received = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    received += chunk;
  });
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`the connection was still open after ${timeoutMs} ms; it had sent: ${received.slice(0, 300)}`));
    }, timeoutMs);
    // A server that refuses resets a connection that still sends: an end like any other.
    socket.on('error', () => socket.destroy());
    socket.once('end', () => socket.destroy());
    socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    socket.end(bytes);
  });
  return received;
}

/** Takes the first answer apart; null where there is none. */
export function firstAnswer(received: string): { status: number; head: string; body: string } | null {
  const [, status, head = ''] = /^HTTP\/1\.1 (\d{3}) ([\s\S]*?)\r\n\r\n/.exec(received) ?? [];
  if (status === undefined) return null;
  const from = received.indexOf('\r\n\r\n') + 4;
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  return {
    status: Number(status),
    head,
    body: received.slice(from, length === undefined ? undefined : from + Number(length)),
  };
}

/** How many answers there are: more than requests means that one of them was smuggled. */
export function countAnswers(received: string): number {
  return [...received.matchAll(/HTTP\/1\.1 \d{3} /g)].length;
}
