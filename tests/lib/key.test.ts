import { expect, test } from 'vitest';
import { keyRoles, may, type Permission } from '../../lib/key.ts';

test.each([
  ['metrics', ['metrics']],
  ['read', ['read']],
  ['run', ['read', 'run']],
  ['admin', ['metrics', 'read', 'run', 'admin']],
] as const)('the role %s may %j and nothing else', (role, allowed: readonly Permission[]) => {
  const permissions: Permission[] = ['metrics', 'read', 'run', 'admin'];
  expect(permissions.filter((permission) => may(role, permission))).toEqual(allowed);
});

test('every role is in the table above', () => {
  expect(keyRoles).toEqual(['metrics', 'read', 'run', 'admin']);
});
