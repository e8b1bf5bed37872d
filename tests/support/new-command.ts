import { randomBytes } from 'node:crypto';
import type { NewCommand } from '../../db/accept.ts';

/** A command that passed every check, of key 1 and owner `default`, with its own token. */
export function newCommand(changes: Partial<NewCommand> = {}): NewCommand {
  return {
    token: randomBytes(32).toString('hex'),
    server: 'default',
    command: 'apps:list',
    callbackUrl: null,
    timeoutSeconds: 600,
    retryOf: null,
    legacyRetry: false,
    keyId: 1,
    createdBy: 'key_test',
    owner: 'default',
    requestId: null,
    ...changes,
  };
}
