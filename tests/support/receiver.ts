import { appendFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { TLSSocket } from 'node:tls';
import { createCertificate } from './certificate.ts';
import { type Answer, misbehave } from './receiver-faults.ts';

export { faults } from './receiver-faults.ts';

interface ReceivedRequest {
  /** From 1, in the order in which they were received in full. */
  number: number;
  /** Milliseconds of the wall clock when it had been received in full. */
  at: number;
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: string;
  /** The name that the TLS greeting asked for, false where it named none; undefined without TLS. */
  servername: string | false | undefined;
}

type AnswerFunction = (request: ReceivedRequest) => Answer | Promise<Answer>;

export interface ReceiverOptions {
  /** Default: any free one. */
  port?: number;
  /** Default 127.0.0.1. */
  host?: string;
  /** Every request and its answer go there, a JSON object a line, before the answer is sent. */
  logFile?: string;
  /** Serve https with a self-signed certificate for `host`, `localhost` and these names. */
  tls?: { names?: readonly string[] };
}

export interface Receiver {
  /** `http://127.0.0.1:4711`, without a path. */
  readonly url: string;
  readonly port: number;
  /** PEM of the self-signed certificate, to be trusted or not; undefined without TLS. */
  readonly certificate: string | undefined;
  readonly requests: readonly ReceivedRequest[];
  /** TCP connections taken so far, whether or not a request followed. */
  readonly connections: number;
  /** TCP connections that are open now. */
  readonly openConnections: number;
  /** What the next requests are answered with: a status, a whole answer, a fault, or a function that decides. Starts as 200. */
  answerWith(answer: Answer | AnswerFunction): void;
  /** Resolves with all requests as soon as there are `count`; rejects with what came instead after `timeoutMs`. */
  waitForRequests(count: number, timeoutMs?: number): Promise<readonly ReceivedRequest[]>;
  /** Cuts every connection and closes the port. */
  stop(): Promise<void>;
}

/** A receiver of callbacks that records what it gets, and behaves as badly as it is told to. */
export async function startReceiver(options: ReceiverOptions = {}): Promise<Receiver> {
  const { port = 0, host = '127.0.0.1', logFile, tls } = options;
  const certificate = tls && createCertificate([host, 'localhost', ...(tls.names ?? [])]);
  const server = certificate ? createHttpsServer(certificate) : createHttpServer();
  const requests: ReceivedRequest[] = [];
  const sockets = new Set<Socket>();
  const arrivals = new Set<() => void>();
  let connections = 0;
  let decide: AnswerFunction = () => 200;

  server.on('connection', (socket) => {
    connections += 1;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('request', async (incoming, response) => {
    let body: string;
    try {
      body = await text(incoming);
    } catch {
      // The sender went away before its request was whole: nothing was received, so nothing is recorded.
      return;
    }
    const { method = '', url = '', headers, socket } = incoming;
    const servername =
      socket instanceof TLSSocket ? (socket as TLSSocket & { servername: string | false }).servername : undefined;
    const request = { number: requests.length + 1, at: Date.now(), method, path: url, headers, body, servername };
    requests.push(request);
    for (const arrived of arrivals) arrived();
    const answer = await decide(request);
    if (logFile !== undefined) appendFileSync(logFile, `${JSON.stringify({ ...request, answer })}\n`);
    if (typeof answer === 'object' && 'fault' in answer) misbehave(answer, response);
    else if (typeof answer === 'number') response.writeHead(answer).end();
    else response.writeHead(answer.status, answer.headers as OutgoingHttpHeaders).end(answer.body);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const bound = (server.address() as AddressInfo).port;

  return {
    url: `${certificate ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    port: bound,
    certificate: certificate?.cert,
    requests,
    get connections() {
      return connections;
    },
    get openConnections() {
      return sockets.size;
    },
    answerWith(answer) {
      decide = typeof answer === 'function' ? answer : () => answer;
    },
    waitForRequests(count, timeoutMs = 10_000) {
      return new Promise((resolve, reject) => {
        const settle = (finish: () => void) => {
          clearTimeout(timer);
          arrivals.delete(look);
          finish();
        };
        const look = () => {
          if (requests.length >= count) settle(() => resolve(requests));
        };
        const timer = setTimeout(
          () => settle(() => reject(new Error(`Received ${requests.length} of ${count} requests in ${timeoutMs} ms`))),
          timeoutMs,
        );
        arrivals.add(look);
        look();
      });
    },
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
