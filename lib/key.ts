/** The API keys' domain: roles and what each may do, and what a key may be made of. */
import { parseRule } from './command-rules.ts';

export const keyRoles = ['metrics', 'read', 'run', 'admin'] as const;
export type KeyRole = (typeof keyRoles)[number];

/** What a route asks of a role. */
export type Permission = 'metrics' | 'read' | 'run' | 'admin';

const permissions: Record<KeyRole, readonly Permission[]> = {
  metrics: ['metrics'],
  read: ['read'],
  run: ['read', 'run'],
  admin: ['metrics', 'read', 'run', 'admin'],
};

export function may(role: KeyRole, permission: Permission): boolean {
  return permissions[role].includes(permission);
}

/** Who asks: a verified key, with all that bounds it. Null bounds nothing. */
export type Key = {
  id: number;
  publicId: string;
  role: KeyRole;
  owner: string;
  rules: readonly string[] | null;
  servers: readonly string[] | null;
  rateLimit: number | null;
  allowRedirects: boolean;
};

/** What a new key is to be. Null: no name, all command lines, all servers, the configured rate, no expiry. */
export type NewKey = {
  name: string | null;
  role: KeyRole;
  owner: string;
  rules: readonly string[] | null;
  servers: readonly string[] | null;
  /** Requests a minute. */
  rateLimit: number | null;
  allowRedirects: boolean;
  expiresAfterMs: number | null;
};

/** What is wrong with a key that was asked for, in one line that says what to give instead. */
export class KeyError extends Error {
  override name = 'KeyError';
}

const rulesAtMost = 500;
const rateAtMost = 1_000_000;
const yearMs = 365 * 86_400_000;

/**
 * Fills in what a key has by default, and checks it.
 * @throws KeyError naming the first thing that is wrong
 */
export function checkNewKey(options: Partial<NewKey>): NewKey {
  const key: NewKey = {
    name: null,
    role: 'run',
    owner: 'default',
    rules: null,
    servers: null,
    rateLimit: null,
    allowRedirects: false,
    expiresAfterMs: null,
    ...options,
  };
  // Other characters could be taken by a terminal for its own, or break the line of a log.
  if (key.name !== null && !/^[\p{L}\p{M}\p{N}\p{P}\p{S} ]{1,100}$/u.test(key.name)) {
    throw new KeyError('The name is not usable: give 1 to 100 printable characters.');
  }
  if (!keyRoles.includes(key.role)) throw new KeyError(`The role is unknown: give one of ${keyRoles.join(', ')}.`);
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(key.owner)) {
    throw new KeyError('The owner is not usable: give 1 to 64 letters, digits, dots, dashes and underscores.');
  }
  if (key.rules !== null) checkRules(key.rules);
  if (key.servers !== null) checkServers(key.servers);
  if (!isWholeNumber(key.rateLimit, rateAtMost)) {
    throw new KeyError(`The rate is not usable: give a whole number of requests a minute from 1 to ${rateAtMost}.`);
  }
  if (!isWholeNumber(key.expiresAfterMs, 100 * yearMs)) {
    throw new KeyError('The time until it expires is not usable: give one of at most 100 years, such as 90d.');
  }
  return key;
}

/** An empty list would be taken for "all command lines" by whoever matches rules. */
function checkRules(rules: readonly string[]): void {
  if (rules.length === 0)
    throw new KeyError('A key with rules needs at least one: leave them out to allow everything.');
  if (rules.length > rulesAtMost) throw new KeyError(`A key may have ${rulesAtMost} rules at most.`);
  for (const rule of rules) {
    const parsed = parseRule(rule);
    if ('detail' in parsed) throw new KeyError(`The rule ${JSON.stringify(rule)} is not usable. ${parsed.detail}`);
  }
}

function checkServers(servers: readonly string[]): void {
  if (servers.length === 0) throw new KeyError('A key for chosen servers needs at least one: leave them out for all.');
  if (!servers.every((server) => /^[a-z0-9][a-z0-9_-]{0,62}$/.test(server))) {
    throw new KeyError('A server is not named as in DOKKU_SERVERS: give a-z, 0-9, - and _, 63 characters at most.');
  }
}

function isWholeNumber(value: number | null, most: number): boolean {
  return value === null || (Number.isSafeInteger(value) && value >= 1 && value <= most);
}
