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
  let written = 0;
  const body = new ReadableStream<Uint8Array>(
    {
      start: (controller) => controller.enqueue(encoder.encode('[')),
      pull: async (controller) => {
        try {
          const { done, value: rows } = await batches.next();
          if (done) {
            controller.enqueue(encoder.encode(']'));
            controller.close();
            return;
          }
          const text = rows.map((row) => JSON.stringify(toWire(row))).join(',');
          controller.enqueue(encoder.encode(written === 0 ? text : `,${text}`));
          written += rows.length;
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
