import type { Context, TypedResponse } from 'hono';
import type { CommandRow } from '../../db/schema.ts';
import { isFinal, toWire, type WireCommand } from '../../lib/command.ts';
import type { AppEnv, Dependencies } from '../factory.ts';

type SyncDependencies = Pick<Dependencies, 'config' | 'waiters' | 'stopping' | 'timing' | 'now'>;

/**
 * Answers with the command once it is final, or as it is after `SYNC_WAIT` or when the process must stop. A wait that
 * lasts sends its headers early and blanks ahead of the JSON, which JSON allows, so that no proxy gives the connection up.
 */
export async function syncAnswer(
  context: Context<AppEnv>,
  { config, waiters, stopping, timing, now }: SyncDependencies,
  accepted: CommandRow,
): Promise<Response & TypedResponse<WireCommand, 200, 'json'>> {
  const deadline = now() + config.syncWaitSeconds * 1000;
  const signals = [stopping, context.req.raw.signal];
  const isOver = (row: CommandRow) => isFinal(row.state) || now() >= deadline || signals.some(({ aborted }) => aborted);
  const waitOn = async (row: CommandRow) =>
    await waiters.wait(row, 'final', {
      timeoutMs: Math.min(timing.syncBlankMs, deadline - now()),
      signals,
    });

  let row = await waitOn(accepted);
  if (isOver(row)) return context.json(toWire(row), 200);

  const gone = new AbortController();
  signals.push(gone.signal);
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>(
    {
      start: (controller) => controller.enqueue(encoder.encode(' ')),
      pull: async (controller) => {
        row = await waitOn(row);
        if (isOver(row)) {
          controller.enqueue(encoder.encode(JSON.stringify(toWire(row))));
          controller.close();
        } else controller.enqueue(encoder.encode(' '));
      },
      cancel: () => gone.abort(),
    },
    { highWaterMark: 0 },
  );
  // nginx would keep the blanks to itself, and the client would wait in silence.
  context.header('X-Accel-Buffering', 'no');
  const answer: Response = context.body(body, 200, { 'Content-Type': 'application/json' });
  return answer as Response & TypedResponse<WireCommand, 200, 'json'>;
}
