import { performance } from 'node:perf_hooks';
import { Agent, type Dispatcher, errors, request } from 'undici';
import { type CallbackAllowList, checkCallbackUrl } from './callback-address.ts';
import {
  CallbackConnectError,
  type ConnectFailure,
  createCallbackConnector,
  type ResolveHost,
  resolveWithSystem,
} from './callback-connection.ts';

/** Stable words, stored with the attempt and shown to the key's owner: no address, no secret, no text of a library. */
type CallbackFailure = ConnectFailure | 'invalid_url' | 'invalid_answer' | 'redirected' | 'timeout';

/** What one attempt came to. */
export interface CallbackAnswer {
  /** The answer's HTTP status, which alone decides about success; null where none came. */
  status: number | null;
  /** Why there is no status, or `redirected` beside a 3xx; else null. */
  error: CallbackFailure | null;
  /** By the monotonic clock, in whole milliseconds. */
  durationMs: number;
  /** From `Retry-After`, given in seconds or as an HTTP date; null where there is none. */
  retryAfterSeconds: number | null;
}

interface CallbackRequest {
  url: string;
  headers: Record<string, string>;
  body: string;
}

export interface CallbackClient {
  /** One attempt. Whatever the receiver and the network do is in the answer; it throws only for faults of our own. */
  post(request: CallbackRequest): Promise<CallbackAnswer>;
  /** Waits for the attempts under way, then ends the connections kept open. Nothing can be posted from then on. */
  close(): Promise<void>;
}

export interface CallbackClientOptions {
  allowList: CallbackAllowList;
  /** For the name's resolution, TCP and TLS together. Default 5,000. */
  connectTimeoutMs?: number;
  /** For the whole attempt, reading the answer included. Default 15,000. */
  attemptTimeoutMs?: number;
  /** Of the answer's body; the connection is dropped behind them. Default 65,536. */
  maximumAnswerBytes?: number;
  resolveHost?: ResolveHost;
  /** PEM of the authorities to trust instead of the system's. */
  certificateAuthority?: string;
  /** Wall clock in milliseconds, for a `Retry-After` date in an answer that has no `Date`. */
  now?: () => number;
}

/**
 * How long a connection serves before the name is resolved, and the address checked, anew. Within it, an address that
 * was checked stays the one spoken to, whatever the DNS says meanwhile.
 */
const CONNECTION_LIFETIME_MS = 30_000;
/** Less than the 5 s after which many servers close an idle connection: a POST should not meet that. */
const IDLE_CONNECTION_MS = 3000;

/** The client that posts callbacks: to allowed addresses only, bounded in time and bytes, following no redirect. */
export function createCallbackClient(options: CallbackClientOptions): CallbackClient {
  const { allowList, certificateAuthority, resolveHost = resolveWithSystem, now = Date.now } = options;
  const { connectTimeoutMs = 5000, attemptTimeoutMs = 15_000, maximumAnswerBytes = 65_536 } = options;
  // Unlike undici's global agent this one knows no proxy, so nothing in the environment can set one.
  const agent = new Agent({
    connect: createCallbackConnector({
      allowList,
      // undici does not give up a request that still waits for its connection.
      connectTimeoutMs: Math.min(connectTimeoutMs, attemptTimeoutMs),
      resolveHost,
      certificateAuthority,
    }),
    clientTtl: CONNECTION_LIFETIME_MS,
    keepAliveTimeout: IDLE_CONNECTION_MS,
    keepAliveMaxTimeout: IDLE_CONNECTION_MS,
    // One limit for the whole attempt stands in for the limits per phase.
    headersTimeout: 0,
    bodyTimeout: 0,
  });

  let closed: Promise<void> | undefined;

  async function send(url: URL, { headers, body }: CallbackRequest): Promise<Omit<CallbackAnswer, 'durationMs'>> {
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), attemptTimeoutMs);
    try {
      const answer = await request(url, { dispatcher: agent, method: 'POST', headers, body, signal: deadline.signal });
      // Read so that the connection can serve again. It settles however the body ends; the status has been had.
      await answer.body.dump({ limit: maximumAnswerBytes });
      const redirected = answer.statusCode >= 300 && answer.statusCode <= 399;
      return {
        status: answer.statusCode,
        error: redirected ? 'redirected' : null,
        retryAfterSeconds: retryAfterSeconds(answer.headers, now),
      };
    } catch (error) {
      const failure = deadline.signal.aborted ? 'timeout' : failureOf(error);
      if (failure === null) throw new Error('The callback could not be sent, by a fault of our own', { cause: error });
      return { status: null, error: failure, retryAfterSeconds: null };
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    async post(callback) {
      const startedAt = performance.now();
      const check = checkCallbackUrl(callback.url, allowList);
      if ('problem' in check) {
        const error = check.problem === 'invalid_url' ? 'invalid_url' : 'address_not_allowed';
        return { status: null, error, durationMs: 0, retryAfterSeconds: null };
      }
      const answer = await send(check.url, callback);
      return { ...answer, durationMs: Math.round(performance.now() - startedAt) };
    },
    close() {
      closed ??= agent.close();
      return closed;
    },
  };
}

/** What undici says of a request, or a client, that was used wrongly. */
const FAULTS_OF_OUR_OWN = ['UND_ERR_INVALID_ARG', 'UND_ERR_NOT_SUPPORTED', 'UND_ERR_CLOSED', 'UND_ERR_DESTROYED'];

/** Null for an error that neither the receiver nor the network can have caused. */
function failureOf(error: unknown): CallbackFailure | null {
  if (error instanceof CallbackConnectError) return error.failure;
  if (error instanceof errors.HTTPParserError || error instanceof errors.HeadersOverflowError) return 'invalid_answer';
  if (!(error instanceof Error && 'code' in error && typeof error.code === 'string')) return null;
  const { code } = error;
  if (FAULTS_OF_OUR_OWN.includes(code)) return null;
  if (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE') return 'connection_closed';
  return code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_') ? 'tls_error' : 'connection_failed';
}

/**
 * RFC 9110, 10.2.3: seconds, or a date. A date is counted from the answer's own `Date` where it has one, so that the
 * receiver's clock is compared with itself.
 */
function retryAfterSeconds(headers: Dispatcher.ResponseData['headers'], now: () => number): number | null {
  const value = firstValue(headers['retry-after']);
  if (value === undefined) return null;
  if (/^\d{1,9}$/.test(value)) return Number(value);
  const until = parseHttpDate(value);
  if (until === null) return null;
  const from = parseHttpDate(firstValue(headers.date) ?? '') ?? now();
  return Math.max(0, Math.ceil((until - from) / 1000));
}

function parseHttpDate(text: string): number | null {
  // Date.parse alone would take much that is no HTTP date, in our own time zone.
  const time = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(time) ? null : time;
}

function firstValue(value: string | string[] | undefined): string | undefined {
  return (Array.isArray(value) ? value[0] : value)?.trim();
}
