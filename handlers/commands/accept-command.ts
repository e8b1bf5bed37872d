import type { Context } from 'hono';
import type { IdempotentRequest } from '../../db/idempotency.ts';
import type { CommandRow } from '../../db/schema.ts';
import { newToken } from '../../lib/token.ts';
import type { AppEnv, Dependencies } from '../factory.ts';
import type { RunnableCommand } from './runnable-command.ts';
import { isVisible } from './visible-command.ts';

/** What `acceptCommand` sends, for the document. */
export const acceptedHeaders = ['Location', 'Idempotent-Replayed'] as const;

/** Stores a checked command, announces it, and names it in the answer's headers. */
export async function acceptCommand(
  context: Context<AppEnv>,
  { accept, announcer, log }: Pick<Dependencies, 'accept' | 'announcer' | 'log'>,
  command: RunnableCommand,
  origin: { request: IdempotentRequest | null; retryOf: string | null; legacyRetry: boolean },
): Promise<CommandRow> {
  const key = context.get('key');
  const requestId = context.get('requestId');
  const { row, replayed } = await accept(
    {
      ...command,
      token: newToken(),
      retryOf: origin.retryOf,
      legacyRetry: origin.legacyRetry,
      keyId: key.id,
      createdBy: key.publicId,
      owner: key.owner,
      requestId,
    },
    origin.request,
  );
  const { token, server, retryOf } = row;
  log.info(
    { request_id: requestId, token, server, ...(retryOf === null ? {} : { retry_of: retryOf }) },
    replayed ? 'command accepted before' : 'command accepted',
  );
  if (!replayed) await announcer.announceQueued(row);
  else if (origin.request !== null) context.header('Idempotent-Replayed', 'true');
  // The retry of another owner may stand in for a new one: who may not see it is not told its name.
  if (isVisible(key, row)) context.header('Location', `/commands/${row.token}`);
  return row;
}
