import { validator } from 'hono-openapi';
import * as v from 'valibot';
import type { Commands } from '../../db/commands.ts';
import type { CommandRow } from '../../db/schema.ts';
import { ApiError } from '../../lib/errors.ts';
import type { Key } from '../../lib/key.ts';

const noCommand = 'No command has this token, or it belongs to another owner.';

/** The path's token. One of another form names no command. */
export const tokenParam = validator(
  'param',
  v.object({
    token: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/), v.description("The command's token: 64 hex characters.")),
  }),
  ({ success }) => {
    if (!success) throw new ApiError('not_found', noCommand);
  },
);

/** Whose commands the key sees; null for everybody's. */
export function visibleOwner(key: Key): string | null {
  return key.role === 'admin' ? null : key.owner;
}

/** @throws ApiError `not_found` where there is none, or the key may not see it */
export async function visibleCommand(commands: Pick<Commands, 'findByToken'>, key: Key, token: string) {
  const row = await commands.findByToken(token);
  if (row === null || !isVisible(key, row)) throw new ApiError('not_found', noCommand);
  return row;
}

export function isVisible(key: Key, row: Pick<CommandRow, 'owner'>): boolean {
  const owner = visibleOwner(key);
  return owner === null || owner === row.owner;
}
