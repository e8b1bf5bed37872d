import { type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http';
import { text } from 'node:stream/consumers';

/** An answer, read to its end. */
export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  /** The body, as UTF-8. */
  body: string;
}

export interface Sending {
  method?: string;
  /** As it goes on the wire: nothing is encoded or made canonical. */
  path: string;
  headers?: OutgoingHttpHeaders;
  /** An array is sent in chunks, without a length. */
  body?: string | Uint8Array | readonly (string | Uint8Array)[];
  /** Milliseconds until the answer has ended; 10,000 where it is not given. */
  timeout?: number;
  /** Of a stream of events, which may never end, only the head is read. */
  streams?: 'whole' | 'head';
}

/**
 * Sends one request on a connection of its own and reads the answer: what fetch would add, follow or refuse is not.
 *
 * @param base `http://127.0.0.1:4711`, without a path
 * @throws Error where the connection fails, or the answer has not ended in time
 */
export async function send(base: string, sending: Sending): Promise<Answer> {
  const { method = 'GET', path, headers = {}, body, timeout = 10_000, streams = 'whole' } = sending;
  const { hostname, port } = new URL(base);
  const length =
    typeof body === 'string' || body instanceof Uint8Array ? { 'Content-Length': Buffer.byteLength(body) } : {};
  const outgoing = request({ hostname, port, method, path, headers: { ...length, ...headers }, agent: false });
  const timer = setTimeout(
    () => outgoing.destroy(new Error(`${method} ${path} was not answered in ${timeout} ms`)),
    timeout,
  );
  try {
    return await new Promise<Answer>((resolve, reject) => {
      outgoing.once('error', reject);
      outgoing.once('response', (incoming) => {
        const head = { status: incoming.statusCode ?? 0, headers: incoming.headers };
        if (streams === 'head' && head.headers['content-type'] === 'text/event-stream') {
          resolve({ ...head, body: '' });
          outgoing.destroy();
        } else text(incoming).then((received) => resolve({ ...head, body: received }), reject);
      });
      if (typeof body === 'string' || body instanceof Uint8Array) outgoing.end(body);
      else {
        for (const chunk of body ?? []) outgoing.write(chunk);
        outgoing.end();
      }
    });
  } finally {
    clearTimeout(timer);
  }
}
