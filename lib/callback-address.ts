import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

type IpAddress = ipaddr.IPv4 | ipaddr.IPv6;
type Network = readonly [IpAddress, number];

/** What callbacks may reach beside public unicast addresses. Made by `parseAllowList`. */
export interface CallbackAllowList {
  readonly networks: readonly Network[];
  /** Host names: lower case, punycode, without the trailing dot. */
  readonly hosts: ReadonlySet<string>;
  /** From `*.example.com`: `.example.com`. */
  readonly suffixes: readonly string[];
}

type CallbackUrlCheck = { url: URL } | { problem: 'callback_not_allowed' | 'invalid_url'; detail: string };

const MAXIMUM_URL_CHARACTERS = 2048;

/** RFC 4291, 2.4 and IANA: the only block from which global unicast addresses have been assigned. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');
/** RFC 6052: the one prefix whose last 32 bits are an IPv4 address wherever it is used, and which DNS64 answers with. */
const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96');
/** Azure's platform services answer every virtual machine on this address, which no registry marks as special. */
const AZURE_PLATFORM = ipaddr.IPv4.parse('168.63.129.16');

const LABEL = /^(?!-)[\p{L}\p{M}\p{N}_-]{1,63}(?<!-)$/u;

/**
 * Parses `CALLBACK_ALLOW`: host names (`receiver.internal`), names below one (`*.internal`), addresses and networks
 * (`10.1.2.3`, `10.0.0.0/8`, `fd00::/8`), separated by commas. Throws an Error that names the entry at fault.
 */
export function parseAllowList(text: string): CallbackAllowList {
  const networks: Network[] = [];
  const hosts = new Set<string>();
  const suffixes: string[] = [];
  for (const entry of text.split(',').map((part) => part.trim())) {
    if (entry === '') continue;
    if (/[/:]/.test(entry) || isIP(entry) !== 0) networks.push(parseNetwork(entry));
    else if (entry.startsWith('*.')) suffixes.push(`.${parseHostName(entry.slice(2), entry)}`);
    else hosts.add(parseHostName(entry, entry));
  }
  return { networks, hosts, suffixes };
}

/**
 * Checks a `callback_url` without resolving its name: http or https, no user info, at most 2048 characters, and no
 * literal address or `localhost` name that is not allowed. Names are checked later, by the address connected to.
 */
export function checkCallbackUrl(text: string, allowList: CallbackAllowList): CallbackUrlCheck {
  if (text.length > MAXIMUM_URL_CHARACTERS) return invalid(`must have at most ${MAXIMUM_URL_CHARACTERS} characters`);
  // The parser drops tabs and newlines: what we store would not be what we call.
  if (/\p{Cc}/u.test(text)) return invalid('must not contain control characters');
  if (!URL.canParse(text)) return invalid('is not a URL: write it in full, as in https://example.com/done');
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return invalid('must begin with http:// or https://');
  if (url.username !== '' || url.password !== '') {
    return invalid('must not contain a user name or password: every callback is signed, verify that instead');
  }
  // The parser has already made plain addresses of decimal, octal, hexadecimal, short and full-width notations.
  const host = bareHost(url.hostname);
  if (isIP(host) !== 0) {
    return isAddressAllowed(host, host, allowList) ? { url } : notAllowed('the address is not a public one');
  }
  if (host.split('.').includes('')) return invalid('has an empty part in its host name');
  if ((host === 'localhost' || host.endsWith('.localhost')) && !isLoopbackNameAllowed(host, allowList)) {
    return notAllowed('localhost is not a public host');
  }
  return { url };
}

/**
 * Whether a callback to `host` (as in the URL) may connect to `address` (as resolved, or as the socket reports it):
 * public unicast, or named by the allow list. An entry that is a name allows whatever that very name resolves to.
 * IPv4 inside IPv6 (mapped, NAT64) is judged as the IPv4 address; the forms that only tunnel to one (compatible,
 * 6to4, Teredo, ISATAP, local-use NAT64) and zone ids are refused.
 */
export function isAddressAllowed(address: string, host: string, allowList: CallbackAllowList): boolean {
  const parsed = parseAddress(address);
  if (parsed === null) return false;
  const embedded = embeddedIPv4(parsed);
  if (isPublic(embedded ?? parsed) || isHostNamed(bareHost(host), allowList)) return true;
  return allowList.networks.some(
    (network) => isInside(parsed, network) || (embedded !== null && isInside(embedded, network)),
  );
}

function isPublic(address: IpAddress): boolean {
  if (address.range() !== 'unicast') return false;
  if (address instanceof ipaddr.IPv4) return address.toString() !== AZURE_PLATFORM.toString();
  return isInside(address, GLOBAL_UNICAST) && !isIsatap(address);
}

/** RFC 5214, 6.1: the interface id `[02]00:5efe` makes a router send to the IPv4 address that follows it. */
function isIsatap(address: ipaddr.IPv6): boolean {
  return (address.parts[4] === 0 || address.parts[4] === 0x0200) && address.parts[5] === 0x5efe;
}

function isInside(address: IpAddress, network: Network): boolean {
  return address.kind() === network[0].kind() && address.match(network[0], network[1]);
}

/** Null where it is no plain address. A mapped address comes back as IPv4: that is what the kernel connects to. */
function parseAddress(text: string): IpAddress | null {
  // A zone id names an interface of this very host.
  if (isIP(text) === 0 || text.includes('%')) return null;
  if (isIP(text) === 4) return ipaddr.IPv4.parse(text);
  // ipaddr.js takes ::8.8.8.8, as resolvers print ::808:808, for ::ffff:8.8.8.8; the URL parser writes groups only.
  return ipaddr.process(bareHost(new URL(`http://[${text}]/`).hostname));
}

function embeddedIPv4(address: IpAddress): ipaddr.IPv4 | null {
  if (address instanceof ipaddr.IPv4 || !isInside(address, NAT64)) return null;
  return new ipaddr.IPv4(address.toByteArray().slice(-4));
}

function bareHost(hostname: string): string {
  if (hostname.startsWith('[')) return hostname.slice(1, -1);
  return hostname.toLowerCase().replace(/\.$/, '');
}

function isHostNamed(host: string, { hosts, suffixes }: CallbackAllowList): boolean {
  return hosts.has(host) || suffixes.some((suffix) => host.endsWith(suffix) && host.length > suffix.length);
}

/** RFC 6761, 6.3: these names mean the loopback addresses, so a list that allows one of them allows the name. */
function isLoopbackNameAllowed(host: string, allowList: CallbackAllowList): boolean {
  return ['127.0.0.1', '::1'].some((address) => isAddressAllowed(address, host, allowList));
}

function parseNetwork(entry: string): Network {
  const [text = '', bits, ...rest] = entry.split('/');
  const address = parseAddress(text.replace(/^\[(.*)\]$/, '$1'));
  if (address === null || rest.length > 0 || (bits !== undefined && !/^\d{1,3}$/.test(bits))) throw unusable(entry);
  const width = address.kind() === 'ipv4' ? 32 : 128;
  // The length in ::ffff:10.0.0.0/104 counts the 96 bits before the IPv4 address, too.
  const offset = text.includes(':') && width === 32 ? 96 : 0;
  const prefix = bits === undefined ? width : Number(bits) - offset;
  if (prefix < 0 || prefix > width) throw unusable(entry);
  const network = `${address.toNormalizedString()}/${prefix}`;
  const family = width === 32 ? ipaddr.IPv4 : ipaddr.IPv6;
  const first = family.networkAddressFromCIDR(network).toString();
  if (first !== address.toString()) {
    throw new Error(`'${entry}' has bits set behind its length: write ${first}/${prefix}, or the address alone`);
  }
  return [address, prefix];
}

function parseHostName(text: string, entry: string): string {
  const labels = text.replace(/\.$/, '').split('.');
  if (!labels.every((label) => LABEL.test(label)) || !URL.canParse(`http://${text}/`)) throw unusable(entry);
  const host = bareHost(new URL(`http://${text}/`).hostname);
  if (isIP(host) !== 0) throw new Error(`'${entry}' is an address in an unusual notation: write ${host}`);
  return host;
}

function unusable(entry: string): Error {
  return new Error(
    `'${entry}' is not a host name, an address or a network: expected entries such as receiver.internal, *.internal, 10.1.2.3, 10.0.0.0/8 or fd00::/8, without scheme and port`,
  );
}

function invalid(detail: string): CallbackUrlCheck {
  return { problem: 'invalid_url', detail: `callback_url ${detail}` };
}

function notAllowed(why: string): CallbackUrlCheck {
  const detail = `callback_url is not allowed: ${why}. Use a public host, or have the operator add it to CALLBACK_ALLOW`;
  return { problem: 'callback_not_allowed', detail };
}
