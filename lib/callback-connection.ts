import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { buildConnector } from 'undici';
import { type CallbackAllowList, isAddressAllowed } from './callback-address.ts';

/** Why no connection came about, in words that are stored with the attempt. */
export type ConnectFailure =
  | 'address_not_allowed'
  | 'name_not_resolved'
  | 'connection_refused'
  | 'connection_closed'
  | 'connection_failed'
  | 'connect_timeout'
  | 'tls_error';

/** Every address of a host name, as strings. */
export type ResolveHost = (hostname: string) => Promise<readonly string[]>;

interface CallbackConnectionOptions {
  allowList: CallbackAllowList;
  /** For the name's resolution, TCP and TLS together. */
  connectTimeoutMs: number;
  resolveHost: ResolveHost;
  /** PEM of the authorities to trust instead of the system's. */
  certificateAuthority?: string | undefined;
}

export class CallbackConnectError extends Error {
  readonly failure: ConnectFailure;

  constructor(failure: ConnectFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CallbackConnectError';
    this.failure = failure;
  }
}

/** How long one address of several may take before the next is tried. Node's 250 ms cut off far receivers. */
const NEXT_ADDRESS_AFTER_MS = 1000;

/** The system's resolver, /etc/hosts included, in the order that it prefers. */
export async function resolveWithSystem(hostname: string): Promise<string[]> {
  const answers = await lookup(hostname, { all: true });
  return answers.map(({ address }) => address);
}

/**
 * Opens the connections of callbacks for undici. The addresses checked are the addresses connected to: a name is
 * resolved once per connection, and what the socket then reports is checked again before any byte is sent, the TLS
 * greeting included. Fails with a `CallbackConnectError`.
 */
export function createCallbackConnector(options: CallbackConnectionOptions): buildConnector.connector {
  return ({ hostname, protocol, port }, callback) => {
    const target = {
      hostname,
      secure: protocol === 'https:',
      port: Number(port || (protocol === 'https:' ? 443 : 80)),
    };
    openConnection(target, options).then(
      (socket) => callback(null, socket),
      (error: Error) => callback(error, null),
    );
  };
}

interface Target {
  hostname: string;
  secure: boolean;
  port: number;
}

async function openConnection(target: Target, options: CallbackConnectionOptions): Promise<Socket> {
  const deadline = new AbortController();
  const { connectTimeoutMs } = options;
  const timer = setTimeout(
    () => deadline.abort(new CallbackConnectError('connect_timeout', `No connection within ${connectTimeoutMs} ms`)),
    connectTimeoutMs,
  );
  try {
    const socket = await connectToAllowed(target, options, deadline.signal);
    return target.secure ? await secure(socket, target, options, deadline.signal) : socket;
  } finally {
    clearTimeout(timer);
  }
}

async function connectToAllowed({ hostname, port }: Target, options: CallbackConnectionOptions, signal: AbortSignal) {
  const addresses = await resolveAllowed(hostname, options, signal);
  const socket = connectTcp({
    host: hostname,
    port,
    noDelay: true,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_AFTER_MS,
    lookup: (_hostname, _options, done) => done(null, addresses),
  });
  await ready(socket, 'connect', signal, tcpFailure);
  if (isAddressAllowed(socket.remoteAddress ?? '', hostname, options.allowList)) return socket;
  socket.destroy();
  throw new CallbackConnectError('address_not_allowed', 'The connection ended at an address that is not allowed');
}

async function secure(socket: Socket, { hostname }: Target, options: CallbackConnectionOptions, signal: AbortSignal) {
  const { certificateAuthority } = options;
  const secured = connectTls({
    socket,
    host: hostname,
    // RFC 6066, 3: no addresses, and names without the trailing dot.
    ...(isIP(hostname) === 0 && { servername: hostname.replace(/\.$/, '') }),
    ...(certificateAuthority !== undefined && { ca: certificateAuthority }),
    ALPNProtocols: ['http/1.1'],
    // Said here, for the environment can turn it off (NODE_TLS_REJECT_UNAUTHORIZED).
    rejectUnauthorized: true,
  });
  await ready(secured, 'secureConnect', signal, () => 'tls_error');
  return secured;
}

/** The addresses that may be connected to, in the resolver's order. A literal stands for itself. */
async function resolveAllowed(hostname: string, options: CallbackConnectionOptions, signal: AbortSignal) {
  const addresses = isIP(hostname) === 0 ? await resolveInTime(hostname, options.resolveHost, signal) : [hostname];
  const allowed = addresses.filter((address) => isAddressAllowed(address, hostname, options.allowList));
  if (addresses.length === 0) throw new CallbackConnectError('name_not_resolved', 'The name has no address');
  if (allowed.length === 0) {
    throw new CallbackConnectError('address_not_allowed', 'The host has no address that is allowed');
  }
  return allowed.map((address) => ({ address, family: isIP(address) }));
}

function resolveInTime(hostname: string, resolveHost: ResolveHost, signal: AbortSignal): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    resolveHost(hostname).then(resolve, (cause: unknown) =>
      reject(new CallbackConnectError('name_not_resolved', 'The name could not be resolved', { cause })),
    );
  });
}

/** Waits for `event`. The listener for errors stays: one that comes before undici has put up its own must not end us. */
function ready(
  socket: Socket,
  event: 'connect' | 'secureConnect',
  signal: AbortSignal,
  failureOf: (code?: string) => ConnectFailure,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const giveUp = () => socket.destroy(signal.reason);
    signal.addEventListener('abort', giveUp, { once: true });
    socket.once(event, () => {
      signal.removeEventListener('abort', giveUp);
      resolve();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error instanceof CallbackConnectError) reject(error);
      else reject(new CallbackConnectError(failureOf(error.code), 'The connection failed', { cause: error }));
    });
    socket.once('close', () => {
      reject(new CallbackConnectError(failureOf(), 'The connection was closed'));
    });
    if (signal.aborted) giveUp();
  });
}

function tcpFailure(code?: string): ConnectFailure {
  if (code === 'ECONNREFUSED') return 'connection_refused';
  if (code === 'ECONNRESET') return 'connection_closed';
  return code === 'ETIMEDOUT' ? 'connect_timeout' : 'connection_failed';
}
