import type { Context, TypedResponse } from 'hono';
import { type StoredCommand, toWire, type WireCommand } from '../../lib/command.ts';
import { describeError } from '../error-report.ts';
import type { AppEnv, Dependencies } from '../factory.ts';

/**
 * Answers with commands as a JSON array, a batch at a time as fast as the client reads. When the database fails on the
 * way the connection is cut, so that nobody takes a part for the whole.
 */
export function commandArray(
  context: Context<AppEnv>,
  log: Dependencies['log'],
  batches: AsyncGenerator<StoredCommand[]>,
): Response & TypedResponse<WireCommand[], 200, 'json'> {
  const encoder = new TextEncoder();
  let first = true;
  /** The next part of the array as it is sent, so that rows are garbage as soon as they were read; null at the end. */
  const readPart = async () => {
    const { done, value: rows } = await batches.next();
    if (done) return null;
    const text = JSON.stringify(rows.map(toWire)).slice(1, -1);
    const part = encoder.encode(first ? text : `,${text}`);
    first = false;
    return part;
  };
  const body = new ReadableStream<Uint8Array>(
    {
      start: (controller) => controller.enqueue(encoder.encode('[')),
      pull: async (controller) => {
        try {
          const part = await readPart();
          if (part === null) {
            controller.enqueue(encoder.encode(']'));
            controller.close();
            return;
          }
          controller.enqueue(part);
        } catch (error) {
          log.warn({ request_id: context.get('requestId'), ...describeError(error) }, 'a list was cut short');
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
