/** Whether a command may be run: asked in the same way of a new one and of a retry, for the key that asks for it. */
import { basename } from 'node:path';
import { checkCallbackUrl } from '../../lib/callback-address.ts';
import { type CommandLineCode, checkCommandLine } from '../../lib/command-line.ts';
import { matchRules } from '../../lib/command-rules.ts';
import { type Config, serversOf } from '../../lib/config.ts';
import { ApiError, type FieldError } from '../../lib/errors.ts';
import type { Key } from '../../lib/key.ts';
import type { NewCommandFields } from './new-command-fields.ts';

export type RunnableCommand = {
  command: string;
  server: string;
  callbackUrl: string | null;
  timeoutSeconds: number;
};

type RunnableConfig = Pick<
  Config,
  'defaultSocket' | 'moreServers' | 'jsonServers' | 'callbackAllow' | 'commandTimeoutSeconds'
>;

/** Behind "cmd". */
const refusals: Record<CommandLineCode, string> = {
  blank: 'must not be blank',
  invalid_unicode: 'must be valid Unicode',
  too_long: 'is too long',
  control_character: 'must not contain control characters',
  glob_refused: 'must not contain words that the daemon would expand to file names',
  redirect_refused: 'must not redirect to or from a file',
  never_ends: 'must not follow a log',
};

/**
 * Makes the function that checks what was asked for, with errors found before.
 * @throws ApiError `invalid_parameters` with every field that is refused, `server_not_allowed`, `command_not_allowed`
 */
export function createRunnableCheck(config: RunnableConfig) {
  const servers = serversOf(config);
  const names = servers.map(({ name }) => name);
  const socketNames = servers.map(({ socketPath }) => basename(socketPath));

  return function checkRunnable(
    key: Key,
    fields: NewCommandFields,
    found: readonly FieldError[] = [],
  ): RunnableCommand {
    const errors = [...found];
    const refused = (field: string) => errors.some((error) => error.field === field);
    let command = '';
    if (!refused('cmd')) {
      const checked = checkCommandLine(fields.cmd ?? '', { allowRedirects: key.allowRedirects, socketNames });
      if ('command' in checked) command = checked.command;
      else errors.push({ field: 'cmd', ...checked, message: `cmd ${refusals[checked.code]}` });
    }
    if (fields.callback_url !== undefined) {
      const checked = checkCallbackUrl(fields.callback_url, config.callbackAllow);
      if ('problem' in checked) {
        const { problem: code, detail } = checked;
        errors.push({ field: 'callback_url', code, message: detail, detail: `${detail}.` });
      }
    }
    const server = fields.server ?? names[0] ?? '';
    if (!names.includes(server)) {
      const detail = `There is no such server. Send one of ${usable(key, names).join(', ')}.`;
      errors.push({ field: 'server', code: 'unknown_server', message: 'server is not configured', detail });
    }
    if (errors.length > 0) {
      throw new ApiError('invalid_parameters', errors.map(({ detail }) => detail).join(' '), { fields: errors });
    }
    checkPermitted(key, command, server, names);
    return {
      command,
      server,
      callbackUrl: fields.callback_url ?? null,
      timeoutSeconds: fields.timeout ?? config.commandTimeoutSeconds,
    };
  };
}

/** @throws ApiError `server_not_allowed` */
export function checkServerPermitted(key: Key, server: string, names: readonly string[]): void {
  if (key.servers === null || key.servers.includes(server)) return;
  const others = usable(key, names);
  const hint = others.length === 0 ? 'None of its servers is configured.' : `It may use ${others.join(', ')}.`;
  throw new ApiError('server_not_allowed', `This key may not use the server ${server}. ${hint}`);
}

function checkPermitted(key: Key, command: string, server: string, names: readonly string[]): void {
  checkServerPermitted(key, server, names);
  if (!matchRules(key.rules ?? [], command).allowed) {
    throw new ApiError(
      'command_not_allowed',
      'No rule of this key allows the command. Ask for a key with a rule that does, or for one without rules.',
    );
  }
}

function usable(key: Key, names: readonly string[]): string[] {
  return names.filter((name) => key.servers?.includes(name) ?? true);
}
