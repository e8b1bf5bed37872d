/** Where a request comes from, as far as the proxies in front of us are trusted. */

import { isIP } from 'node:net';
import type { HttpBindings } from '@hono/node-server';
import ipaddr from 'ipaddr.js';
import type { Config } from '../../lib/config.ts';

/** Each proxy appends to such a header: this is the entry of the outermost one that is trusted, or the first there is. */
export function forwardedEntry(header: string | undefined, trustedProxies: number): string | undefined {
  if (trustedProxies === 0 || header === undefined) return undefined;
  const entries = header.split(',').map((entry) => entry.trim());
  return entries[Math.max(0, entries.length - trustedProxies)];
}

/**
 * The client's address, written in one way only: IPv4 also where it came inside of IPv6. An entry of `X-Forwarded-For`
 * that is no address counts as absent.
 * @returns an empty string where the connection is already closed
 */
export function clientAddress(
  request: { header: (name: string) => string | undefined },
  bindings: HttpBindings,
  { trustedProxies }: Pick<Config, 'trustedProxies'>,
): string {
  const forwarded = withoutPort(forwardedEntry(request.header('x-forwarded-for'), trustedProxies) ?? '');
  const address = isIP(forwarded) === 0 ? (bindings.incoming.socket.remoteAddress ?? '') : forwarded;
  return isIP(address) === 0 ? '' : ipaddr.process(address).toString();
}

/** Whose failures are counted together: an IPv4 address, or the /64 that one IPv6 subscriber has at the least. */
export function addressGroup(address: string): string {
  if (isIP(address) !== 6) return address;
  const [...parts] = ipaddr.IPv6.parse(address).parts;
  return new ipaddr.IPv6([...parts.slice(0, 4), 0, 0, 0, 0]).toString();
}

/** Some proxies write `192.0.2.1:4711` and `[2001:db8::1]:4711`. */
function withoutPort(entry: string): string {
  return /^\[(.+)\](?::\d+)?$/.exec(entry)?.[1] ?? /^([\d.]+):\d+$/.exec(entry)?.[1] ?? entry;
}
