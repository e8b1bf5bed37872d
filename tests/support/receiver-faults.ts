import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';

/** What a receiver answers with: a status alone, a whole answer, or a fault. */
export type Answer = number | { status: number; headers?: OutgoingHttpHeaders; body?: string } | Fault;

type Fault =
  | { fault: 'slow_head'; everyMs: number }
  | { fault: 'slow_body'; status: number; everyMs: number }
  | { fault: 'endless_body'; status: number }
  | { fault: 'no_answer' }
  | { fault: 'close_without_answer' }
  | { fault: 'close_in_body'; status: number }
  | { fault: 'garbage' };

/** The answers of bad receivers, for `answerWith`. */
export const faults = {
  /** The status line and header, a byte at a time, without end. */
  slowHead: (everyMs = 20): Answer => ({ fault: 'slow_head', everyMs }),
  /** A head at once, then the body a byte at a time, without end. */
  slowBody: ({ status = 200, everyMs = 20 } = {}): Answer => ({ fault: 'slow_body', status, everyMs }),
  /** A body as fast as it is taken, without end. */
  endlessBody: (status = 200): Answer => ({ fault: 'endless_body', status }),
  redirectTo: (location: string, status = 302): Answer => ({ status, headers: { location } }),
  gone: (): Answer => ({ status: 410 }),
  /** `retryAfter` as the header has it: seconds or an HTTP date. */
  tooManyRequests: (retryAfter: number | string): Answer => ({
    status: 429,
    headers: { 'retry-after': String(retryAfter) },
  }),
  /** Takes the request, keeps the connection and never answers. */
  noAnswer: (): Answer => ({ fault: 'no_answer' }),
  closeWithoutAnswer: (): Answer => ({ fault: 'close_without_answer' }),
  /** Announces more than it sends. */
  closeInBody: (status = 200): Answer => ({ fault: 'close_in_body', status }),
  /** Bytes that are not HTTP. */
  garbage: (): Answer => ({ fault: 'garbage' }),
};

/** Answers as badly as `fault` says. Whatever goes on without end ends with the connection. */
export function misbehave(fault: Fault, response: ServerResponse): void {
  const { socket } = response;
  if (socket === null) return;
  switch (fault.fault) {
    case 'slow_head': {
      const endless = (function* () {
        yield* 'HTTP/1.1 200 OK\r\nX-Slow: ';
        for (;;) yield 'x';
      })();
      const timer = setInterval(() => socket.write(endless.next().value ?? ''), fault.everyMs);
      socket.once('close', () => clearInterval(timer));
      return;
    }
    case 'slow_body': {
      response.writeHead(fault.status).flushHeaders();
      const timer = setInterval(() => response.write('x'), fault.everyMs);
      socket.once('close', () => clearInterval(timer));
      return;
    }
    case 'endless_body': {
      const chunk = Buffer.alloc(16_384, 'x');
      const pour = () => {
        while (!socket.destroyed && response.write(chunk));
      };
      response.writeHead(fault.status).on('drain', pour);
      pour();
      return;
    }
    case 'no_answer':
      return;
    case 'close_without_answer':
      socket.destroy();
      return;
    case 'close_in_body':
      response.writeHead(fault.status, { 'content-length': 1000 });
      response.write('only this', () => socket.destroy());
      return;
    case 'garbage':
      socket.end('this is not HTTP\r\n\r\n');
  }
}
