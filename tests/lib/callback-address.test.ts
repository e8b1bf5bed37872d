import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkCallbackUrl, isAddressAllowed, parseAllowList } from '../../lib/callback-address.ts';

const NOTHING = parseAllowList('');

/** Each block that IANA's special-purpose registries, or multicast and reserved space, keep from being public unicast. */
const CLOSED_IPV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '192.175.48.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];

function toNumber(dotted: string): number {
  return dotted.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
}

function toDotted(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.');
}

const BLOCKS = CLOSED_IPV4.map((block) => {
  const [base = '', bits] = block.split('/');
  const first = toNumber(base);
  return { first, last: first + 2 ** (32 - Number(bits)) - 1 };
});
const isClosed = (number: number) => BLOCKS.some(({ first, last }) => number >= first && number <= last);

const anyIPv4 = fc.oneof(
  fc.integer({ min: 0, max: 0xffffffff }),
  fc.constantFrom(...BLOCKS).chain(({ first, last }) => fc.integer({ min: first, max: last })),
);

describe('isAddressAllowed', () => {
  test.each(BLOCKS)('the block from $first to $last ends where the registry says', ({ first, last }) => {
    for (const number of [first - 1, first, last, last + 1]) {
      if (number < 0 || number > 0xffffffff) continue;
      const address = toDotted(number);
      expect([address, isAddressAllowed(address, 'a.example', NOTHING)]).toEqual([address, !isClosed(number)]);
    }
  });

  test.each([
    ['unspecified', '::'],
    ['loopback', '::1'],
    ['mapped loopback', '::ffff:127.0.0.1'],
    ['mapped loopback in groups', '::ffff:7f00:1'],
    ['mapped private, written in full', '0:0:0:0:0:ffff:0a00:0001'],
    ['compatible loopback', '::127.0.0.1'],
    ['compatible public, as resolvers print it', '::8.8.8.8'],
    ['compatible public in groups', '::808:808'],
    ['translated (RFC 2765)', '::ffff:0:127.0.0.1'],
    ['NAT64 of loopback', '64:ff9b::127.0.0.1'],
    ['NAT64 of private', '64:ff9b::a00:1'],
    ['NAT64 of the metadata service', '64:ff9b::169.254.169.254'],
    ['local-use NAT64', '64:ff9b:1::7f00:1'],
    ['local-use NAT64 of a public address', '64:ff9b:1::808:808'],
    ['6to4 of loopback', '2002:7f00:1::1'],
    ['6to4 of a public address', '2002:808:808::1'],
    ['Teredo', '2001:0:4136:e378:8000:63bf:3fff:fdd2'],
    ['ISATAP', '2606:4700::5efe:7f00:1'],
    ['ISATAP with the universal bit', '2606:4700::200:5efe:7f00:1'],
    ['IETF protocol assignments', '2001:1ff::1'],
    ['benchmarking', '2001:2::1'],
    ['ORCHIDv2', '2001:20::1'],
    ['documentation', '2001:db8::1'],
    ['documentation (RFC 9637)', '3fff::1'],
    ['discard', '100::1'],
    ['SRv6', '5f00::1'],
    ['unique local', 'fc00::1'],
    ['unique local, the half in use', 'fd00:ec2::254'],
    ['link-local', 'fe80::1'],
    ['site-local', 'fec0::1'],
    ['multicast', 'ff02::1'],
    ['never assigned', '4000::1'],
    ['never assigned, at the end', 'e000::1'],
    ['a zone id', 'fe80::1%eth0'],
    ['a zone id on a public address', '2606:4700::1111%eth0'],
    ["Azure's platform services", '168.63.129.16'],
    ['mapped, the same', '::ffff:168.63.129.16'],
    ['no address at all', 'example.com'],
    ['a notation that no resolver answers with', '127.1'],
    ['octal digits', '010.8.8.8'],
    ['nothing', ''],
  ])('refuses %s: %s', (_name, address) => {
    expect(isAddressAllowed(address, 'a.example', NOTHING)).toBe(false);
  });

  test.each([
    '8.8.8.8',
    '1.1.1.1',
    '192.0.1.1',
    '223.255.255.255',
    '2606:4700:4700::1111',
    '2a00:1450:4001:80b::200e',
    '2001:200::1',
    '::ffff:8.8.8.8',
    '64:ff9b::8.8.8.8',
  ])('allows %s', (address) => {
    expect(isAddressAllowed(address, 'a.example', NOTHING)).toBe(true);
  });

  test('IPv4 inside IPv6 is judged as IPv4 where it is plain IPv4 on the wire, and else refused', () => {
    fc.assert(
      fc.property(anyIPv4, fc.boolean(), (number, dotted) => {
        const high = Math.floor(number / 65536).toString(16);
        const groups = `${high}:${(number % 65536).toString(16)}`;
        const tail = dotted ? toDotted(number) : groups;
        const allowed = !isClosed(number) && number !== toNumber('168.63.129.16');
        for (const prefix of ['::ffff:', '0:0:0:0:0:FFFF:', '64:ff9b::', '0064:ff9b:0:0:0:0:']) {
          expect(isAddressAllowed(prefix + tail, 'a.example', NOTHING)).toBe(allowed);
        }
        for (const address of [`::${tail}`, `64:ff9b:1::${tail}`, `2002:${groups}::1`, `2606::5efe:${tail}`]) {
          expect(isAddressAllowed(address, 'a.example', NOTHING)).toBe(false);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('outside 2000::/3 no IPv6 address is allowed, however it is written, but for IPv4 in disguise', () => {
    const groups = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(groups, (parts) => {
        const [first = 0] = parts;
        fc.pre((first < 0x2000 || first > 0x3fff) && first !== 0 && first !== 0x64);
        expect(isAddressAllowed(parts.map((part) => part.toString(16)).join(':'), 'a.example', NOTHING)).toBe(false);
      }),
    );
  });

  test('a network of the list allows its addresses, in every disguise of them, and no others', () => {
    const list = parseAllowList('10.1.0.0/16, fd12::/32, 127.0.0.2, ::ffff:172.20.0.0/112');
    for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '64:ff9b::10.1.2.3', 'fd12::7', '127.0.0.2', '172.20.9.9']) {
      expect([address, isAddressAllowed(address, 'a.example', list)]).toEqual([address, true]);
    }
    for (const address of ['10.2.0.1', '::10.1.2.3', '2002:a01:203::', 'fd13::7', '127.0.0.1', 'fd12::7%eth0']) {
      expect([address, isAddressAllowed(address, 'a.example', list)]).toEqual([address, false]);
    }
  });

  test('a name of the list allows what that very name resolves to, and no other name', () => {
    const list = parseAllowList('Receiver.Internal., *.svc.local, bücher.example');
    for (const host of [
      'receiver.internal',
      'receiver.internal.',
      'a.svc.local',
      'a.b.svc.local',
      'xn--bcher-kva.example',
    ]) {
      expect([host, isAddressAllowed('10.0.0.1', host, list)]).toEqual([host, true]);
    }
    for (const host of [
      'x.receiver.internal',
      'internal',
      'svc.local',
      'evilsvc.local',
      '.svc.local',
      'bcher.example',
    ]) {
      expect([host, isAddressAllowed('10.0.0.1', host, list)]).toEqual([host, false]);
    }
  });
});

describe('checkCallbackUrl', () => {
  test.each([
    'http://127.0.0.1/',
    'http://127.0.0.1:8080/x?y#z',
    'http://2130706433/',
    'http://0x7f000001/',
    'http://0x7F.1/',
    'http://017700000001/',
    'http://0177.0.0.01/',
    'http://127.1/',
    'http://127.0.1/',
    'http://127.0.0.1./',
    'http://%31%32%37.0.0.1/',
    'http://127%2e0%2e0%2e1/',
    'http://127.0.0.1/',
    'http://127。0。0。1/',
    'http://①②⑦.0.0.1/',
    'http:127.0.0.1',
    'http:\\\\127.0.0.1\\x',
    'http:///127.0.0.1/',
    'HTTP://127.0.0.1',
    'http://0/',
    'http://0.0.0.0/',
    'http://10.0.0.1/',
    'http://169.254.169.254/latest/meta-data/',
    'http://[::]/',
    'http://[::1]/',
    'http://[0:0:0:0:0:0:0:1]:80/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::ffff:7f00:1]/',
    'http://[::127.0.0.1]/',
    'http://[::8.8.8.8]/',
    'http://[64:ff9b::10.0.0.1]/',
    'http://[2002:7f00:1::]/',
    'http://[fe80::1]/',
    'https://localhost/',
    'http://LOCALHOST:1/',
    'http://localhost./',
    'http://a.localhost/',
    'http://a.b.LocalHost./',
    'http://ⓛocalhost/',
    'http://loc%61lhost/',
  ])('%s is callback_not_allowed', (text) => {
    expect(checkCallbackUrl(text, NOTHING)).toMatchObject({
      problem: 'callback_not_allowed',
      detail: expect.stringContaining('CALLBACK_ALLOW'),
    });
  });

  test.each([
    '',
    'example.com',
    '/path',
    'ftp://example.com/',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'unix:///var/run/x.sock',
    'http://user@example.com/',
    'http://user:password@example.com/',
    'http://:password@example.com/',
    'http://exa mple.com/',
    'http://example.com:99999/',
    'http://[fe80::1%25eth0]/',
    'http://[::1',
    'http://127.0.0.1.5/',
    'http://127.0.0.1../',
    'http://localhost../',
    'http://.localhost/',
    'http://a..example.com/',
    'http://./',
    'http://example.com/\nHost: x',
    'http://loc\talhost/',
    'http://example.com/\u0000',
  ])('%j is invalid_url', (text) => {
    expect(checkCallbackUrl(text, NOTHING)).toMatchObject({
      problem: 'invalid_url',
      detail: expect.stringMatching(/^callback_url /),
    });
  });

  test.each([
    ['https://example.com/hook?a=b', 'https://example.com/hook?a=b'],
    ['http://EXAMPLE.com:80', 'http://example.com/'],
    ['https://bücher.example/', 'https://xn--bcher-kva.example/'],
    ['http://8.8.8.8/', 'http://8.8.8.8/'],
    ['http://[2606:4700::1111]:8443/', 'http://[2606:4700::1111]:8443/'],
    ['http://redis:6379/', 'http://redis:6379/'],
    ['http://notlocalhost/', 'http://notlocalhost/'],
    ['http://localhost.example.com/', 'http://localhost.example.com/'],
    ['http://127.0.0.1.nip.io/', 'http://127.0.0.1.nip.io/'],
  ])('%s passes, for the address to be checked at connect', (text, href) => {
    const check = checkCallbackUrl(text, NOTHING);
    expect('url' in check && check.url.href).toBe(href);
  });

  test('2048 characters pass, 2049 do not', () => {
    const base = 'https://example.com/';
    expect(checkCallbackUrl(base.padEnd(2048, 'x'), NOTHING)).toHaveProperty('url');
    expect(checkCallbackUrl(base.padEnd(2049, 'x'), NOTHING)).toMatchObject({ problem: 'invalid_url' });
  });

  test('literals pass where the list names them, in any notation', () => {
    const list = parseAllowList('127.0.0.0/8,[fd00::1]');
    for (const text of [
      'http://127.0.0.1/',
      'http://2130706433/',
      'http://[::ffff:127.9.9.9]/',
      'http://[fd00:0::1]/',
    ]) {
      expect(checkCallbackUrl(text, list)).toHaveProperty('url');
    }
    expect(checkCallbackUrl('http://[fd00::2]/', list)).toHaveProperty('problem');
  });

  test('localhost names pass where the list names them or a loopback address', () => {
    for (const list of ['localhost', '127.0.0.1', '::1', '0.0.0.0/0']) {
      expect(checkCallbackUrl('http://localhost:3000/', parseAllowList(list))).toHaveProperty('url');
    }
    expect(checkCallbackUrl('http://a.localhost/', parseAllowList('*.localhost'))).toHaveProperty('url');
    expect(checkCallbackUrl('http://a.localhost/', parseAllowList('localhost'))).toHaveProperty('problem');
    expect(checkCallbackUrl('http://localhost/', parseAllowList('10.0.0.0/8'))).toHaveProperty('problem');
  });

  test('every IPv4 address in every notation is judged as what it is', () => {
    const part = (value: number, base: 8 | 10 | 16) =>
      base === 10 ? String(value) : `${base === 8 ? '0' : '0x'}${value.toString(base)}`;
    const base = fc.constantFrom<8 | 10 | 16>(8, 10, 16);
    fc.assert(
      fc.property(
        anyIPv4,
        fc.integer({ min: 1, max: 4 }),
        fc.tuple(base, base, base, base),
        fc.boolean(),
        (number, parts, bases, dot) => {
          const lead = toDotted(number)
            .split('.')
            .slice(0, parts - 1)
            .map(Number);
          const rest = number % 2 ** (8 * (5 - parts));
          const host = [...lead, rest].map((value, index) => part(value, bases[index] ?? 10)).join('.');
          const check = checkCallbackUrl(`http://${host}${dot ? '.' : ''}/`, NOTHING);
          const allowed = !isClosed(number) && number !== toNumber('168.63.129.16');
          expect('url' in check ? check.url.hostname : check.problem).toBe(
            allowed ? toDotted(number) : 'callback_not_allowed',
          );
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('parseAllowList', () => {
  test.each([
    '10.0.0.0/33',
    'fd00::/129',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
    '10.0.0.0/8x',
    'fe80::1%eth0',
    '127.1',
    '2130706433',
    '0x7f000001',
    '0177.0.0.1',
    '256.1.1.1',
    'http://receiver.internal',
    'receiver.internal:3000',
    '10.0.0.1:3000',
    '[::1]:3000',
    'user@host',
    'host/path',
    'two words',
    '*',
    '*.',
    'a.*.example',
    '*example.com',
    '-host',
    'a..b',
    '.example.com',
    'host?',
    'host%2ename',
  ])('throws and names %j', (entry) => {
    expect(() => parseAllowList(`example.com, ${entry} ,10.0.0.0/8`)).toThrow(`'${entry}'`);
  });

  test('says what to write where a network has bits set behind its length', () => {
    expect(() => parseAllowList('10.1.2.3/8')).toThrow('10.0.0.0/8');
    expect(() => parseAllowList('fd12:3456:789a::1/40')).toThrow('fd12:3456:7800::/40');
    expect(() => parseAllowList('127.1')).toThrow('127.0.0.1');
  });

  test('blank entries are none', () => {
    expect(parseAllowList(' , ,')).toEqual(NOTHING);
  });

  test('0.0.0.0/0 and ::/0 allow each their own family', () => {
    const v4 = parseAllowList('0.0.0.0/0');
    const v6 = parseAllowList('::/0');
    expect([v4, v6].map((list) => isAddressAllowed('127.0.0.1', 'a', list))).toEqual([true, false]);
    expect([v4, v6].map((list) => isAddressAllowed('::1', 'a', list))).toEqual([false, true]);
    expect([v4, v6].map((list) => isAddressAllowed('::ffff:127.0.0.1', 'a', list))).toEqual([true, false]);
  });
});
