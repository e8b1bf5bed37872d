import { expect, test } from 'vitest';
import type { KeyRecord } from '../../../../db/keys.ts';
import { explain } from '../../../../handlers/cli/keys/explain.ts';

const servers = [{ name: 'default', socketPath: '/run/theirs.sock', dialect: 'dokku-daemon' }] as const;
const record: KeyRecord = {
  id: 1,
  publicId: 'key_1',
  apiKey: '0123456789abcdef0123456789abcdef',
  name: null,
  role: 'run',
  owner: 'default',
  rules: ['apps:*', 'ps:restart shop'],
  servers: null,
  rateLimit: null,
  allowRedirects: false,
  createdAt: new Date(0),
  expiresAt: null,
  expired: false,
  deletedAt: null,
  lastUsedAt: null,
};

test.each<[Partial<KeyRecord>, string, string]>([
  [{}, 'apps:list', 'Allowed: by the rule apps:*.'],
  [{}, ' ps:restart\tshop ', 'Allowed: by the rule ps:restart shop.'],
  [{ servers: ['eu', 'us'] }, 'apps:list', 'Allowed: by the rule apps:*. On the servers eu, us only.'],
  [{ rules: null }, 'run shop sh', 'Allowed: the key has no rules, so that it may run everything.'],
  [{ rules: null, allowRedirects: true }, 'apps:list > /x', 'Allowed: the key has no rules'],
  [{}, 'ps:restart blog', "Not allowed: none of the key's 2 rules matches (command_not_allowed)."],
  [{}, 'apps:list --global', "Not allowed: none of the key's 2 rules"],
  [{ rules: null }, 'apps:list > /x', 'Not allowed: the API refuses it (redirect_refused). '],
  [{ rules: null }, 'apps:list theirs*', 'Not allowed: the API refuses it (glob_refused). '],
  [{ rules: null }, 'logs shop -t', 'Not allowed: the API refuses it (never_ends). '],
  [{}, '', 'Not allowed: the API refuses it (blank). '],
  [{ role: 'read' }, 'apps:list', 'Not allowed: a key of the role read runs no commands (role_not_allowed).'],
  [{ expired: true }, 'apps:list', 'Not allowed: the key has expired (not_authenticated).'],
  [{ deletedAt: new Date(0) }, 'apps:list', 'Not allowed: the key was deleted (not_authenticated).'],
])('%j, %j', (changes, command, text) => {
  const verdict = explain({ ...record, ...changes }, command, servers);
  expect(verdict.text.slice(0, text.length)).toBe(text);
  expect(verdict.allowed).toBe(text.startsWith('Allowed'));
});
