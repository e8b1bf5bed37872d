import type { Context, TypedResponse } from 'hono';
import type { CommandRow } from '../../db/schema.ts';
import { toWire, type WireCommand } from '../../lib/command.ts';
import { describeError } from '../error-report.ts';
import type { AppEnv, Dependencies } from '../factory.ts';

/**
 * Answers with commands as a JSON array, a batch at a time as fast as the client reads. When the database fails on the
 * way the connection is cut, so that nobody takes a part for the whole.
 */
export function commandArray(
  context: Context<AppEnv>,
  log: Dependencies['log'],
  batches: AsyncGenerator<CommandRow[]>,
): Response & TypedResponse<WireCommand[], 200, 'json'> {
  const encoder = new TextEncoder();
  let first = true;
  /** The next part of the array as it is sent, so that rows are garbage as soon as they were read; null at the end. */
  const readPart = async () => {
    const { done, value: rows } = await batches.next();
    if (done) return null;
    const text = rows.map((row) => JSON.stringify(toWire(row))).join(',');
    const part = encoder.encode(first ? text : `,${text}`);
    first = false;
    return part;
  };
  let ahead: Promise<Uint8Array | null> | undefined;
  const body = new ReadableStream<Uint8Array>(
    {
      start: (controller) => controller.enqueue(encoder.encode('[')),
      pull: async (controller) => {
        try {
          const part = await (ahead ?? readPart());
          if (part === null) {
            controller.enqueue(encoder.encode(']'));
            controller.close();
            return;
          }
          controller.enqueue(part);
          ahead = readPart();
          // Thrown where it is awaited; nobody awaits it when the client is gone.
          ahead.catch(() => undefined);
        } catch (error) {
          log.warn({ request_id: context.var.requestId, ...describeError(error) }, 'a list was cut short');
          context.env.outgoing.destroy();
          controller.close();
        }
      },
      cancel: async () => {
        await batches.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
  const answer: Response = context.body(body, 200, { 'Content-Type': 'application/json' });
  return answer as Response & TypedResponse<WireCommand[], 200, 'json'>;
}
