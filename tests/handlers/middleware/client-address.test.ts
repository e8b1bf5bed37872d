import type { HttpBindings } from '@hono/node-server';
import { expect, test } from 'vitest';
import { addressGroup, clientAddress } from '../../../handlers/middleware/client-address.ts';

function address(peer: string | undefined, forwarded: string | undefined, trustedProxies: number): string {
  const bindings = { incoming: { socket: { remoteAddress: peer } } } as HttpBindings;
  return clientAddress({ header: () => forwarded }, bindings, { trustedProxies });
}

test.each<[string | undefined, string | undefined, number, string]>([
  ['192.0.2.1', undefined, 0, '192.0.2.1'],
  ['192.0.2.1', '198.51.100.1', 0, '192.0.2.1'],
  ['::ffff:192.0.2.1', undefined, 0, '192.0.2.1'],
  ['2001:DB8::0001', undefined, 0, '2001:db8::1'],
  ['10.0.0.1', '198.51.100.1', 1, '198.51.100.1'],
  ['10.0.0.1', '203.0.113.5, 198.51.100.1', 1, '198.51.100.1'],
  ['10.0.0.1', '203.0.113.5 ,198.51.100.1,10.0.0.2', 2, '198.51.100.1'],
  ['10.0.0.1', '198.51.100.1', 2, '198.51.100.1'],
  ['10.0.0.1', undefined, 1, '10.0.0.1'],
  ['10.0.0.1', 'unknown', 1, '10.0.0.1'],
  ['10.0.0.1', '', 1, '10.0.0.1'],
  ['10.0.0.1', '198.51.100.1, ', 1, '10.0.0.1'],
  ['10.0.0.1', '198.51.100.1:4711', 1, '198.51.100.1'],
  ['10.0.0.1', '[2001:db8::1]:4711', 1, '2001:db8::1'],
  ['10.0.0.1', '[2001:db8::1]', 1, '2001:db8::1'],
  ['10.0.0.1', '::ffff:198.51.100.1', 1, '198.51.100.1'],
  ['10.0.0.1', '0x7f.1', 1, '10.0.0.1'],
  [undefined, undefined, 0, ''],
])('of %s, X-Forwarded-For %s, %d trusted: %s', (peer, forwarded, trustedProxies, expected) => {
  expect(address(peer, forwarded, trustedProxies)).toBe(expected);
});

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::'],
  ['2001:db8::', '2001:db8::'],
  ['fe80::1%eth0', 'fe80::'],
  ['', ''],
])('the failures of %s are counted with those of %s', (one, group) => {
  expect(addressGroup(one)).toBe(group);
});
