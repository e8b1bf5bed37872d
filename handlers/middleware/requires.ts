import { ApiError } from '../../lib/errors.ts';
import { may, type Permission } from '../../lib/key.ts';
import { factory } from '../factory.ts';

/**
 * Lets keys pass whose role has the permission.
 * @throws ApiError `role_not_allowed`
 */
export function requires(permission: Permission) {
  return factory.createMiddleware(async (context, next) => {
    const { role } = context.get('key');
    if (!may(role, permission)) {
      throw new ApiError(
        'role_not_allowed',
        `A key of the role ${role} may not do this. Use a key whose role has the permission "${permission}".`,
      );
    }
    await next();
  });
}
