import { basename } from 'node:path';
import type { KeyRecord } from '../../../db/keys.ts';
import { checkCommandLine } from '../../../lib/command-line.ts';
import { matchRules } from '../../../lib/command-rules.ts';
import type { Server } from '../../../lib/config.ts';
import { may } from '../../../lib/key.ts';

export type Verdict = { allowed: boolean; text: string };

/** What the API would say to this command from this key, in the order in which it looks. Never repeats the command. */
export function explain(record: KeyRecord, command: string, servers: readonly Server[]): Verdict {
  const no = (text: string): Verdict => ({ allowed: false, text: `Not allowed: ${text}` });
  if (record.deletedAt !== null) return no('the key was deleted (not_authenticated).');
  if (record.expired) return no('the key has expired (not_authenticated).');
  if (!may(record.role, 'run')) return no(`a key of the role ${record.role} runs no commands (role_not_allowed).`);
  const checked = checkCommandLine(command, {
    allowRedirects: record.allowRedirects,
    socketNames: servers.map(({ socketPath }) => basename(socketPath)),
  });
  if ('code' in checked) return no(`the API refuses it (${checked.code}). ${checked.detail}`);
  const match = matchRules(record.rules ?? [], checked.command);
  if (!match.allowed) {
    return no(`none of the key's ${record.rules?.length} rules matches (command_not_allowed). See keys:list --rules.`);
  }
  const why = match.rule === null ? 'the key has no rules, so that it may run everything' : `by the rule ${match.rule}`;
  const where = record.servers === null ? '' : ` On the servers ${record.servers.join(', ')} only.`;
  return { allowed: true, text: `Allowed: ${why}.${where}` };
}
