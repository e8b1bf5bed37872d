import { connect, type Socket } from 'node:net';

/** The head of a request, as it goes on the wire. */
export function requestHead(method: string, path: string, headers: Record<string, string>): string {
  const lines = Object.entries(headers).map((pair) => pair.join(': '));
  return [`${method} ${path} HTTP/1.1`, 'Host: a', ...lines, '', ''].join('\r\n');
}

/** Connects and writes; `answer` is all that came until the connection closed. */
export function openRaw(base: string, raw: string): { socket: Socket; answer: Promise<string> } {
  const socket = connect(Number(new URL(base).port), '127.0.0.1');
  let received = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    received += chunk;
  });
  // A reset is an end like any other.
  socket.on('error', () => undefined);
  socket.write(raw);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  return { socket, answer: closed.then(() => received) };
}
