import type { Redis } from 'ioredis';
import { onceInAWhile } from '../lib/once-in-a-while.ts';
import { noteMalformed, readWakeups, serverOfStream } from '../lib/wakeups.ts';
import { pause } from './backoff.ts';
import type { WorkerContext } from './context.ts';
import type { HeldLease } from './held-lease.ts';
import type { Notifier } from './notifier.ts';

/** Bounded, so that stopping and a change of the held leases are noticed. */
const blockMs = 2000;
/** How long entries may wait while every held server is busy: each looks at its queue by itself when it is done. */
const busyMs = 100;

/**
 * The consumer group: reads the streams of the held servers, and asks each server's run to look at its queue. What an
 * entry holds is never trusted: a malformed one does no more than a well-formed one, and is counted, since somebody else
 * than dokku-api wrote it.
 */
export async function consume(
  context: WorkerContext,
  options: {
    /** Reads, and blocks while it does. */
    reader: Redis;
    /** Counts what is malformed. */
    producer: Redis;
    held: ReadonlyMap<string, HeldLease>;
    heldChanged: Notifier;
  },
): Promise<void> {
  const { reader, producer, held, heldChanged } = options;
  let failing = false;
  let malformed = 0;
  const sayMalformed = onceInAWhile(context.now, () =>
    context.log.warn({ malformed }, 'entries of the streams are malformed: see who else has the password of Redis'),
  );
  const stop = () => reader.disconnect();
  context.stopping.addEventListener('abort', stop, { once: true });
  if (context.stopping.aborted) stop();
  while (!context.stopping.aborted) {
    if (held.size === 0) {
      await heldChanged.wait({ signal: context.stopping });
      continue;
    }
    if (![...held.values()].some(({ idle }) => idle)) {
      await heldChanged.wait({ timeoutMs: busyMs, signal: context.stopping });
    }
    try {
      const wakeups = await readWakeups(reader, { servers: [...held.keys()], consumer: context.id, blockMs });
      for (const server of new Set(wakeups.map(({ key }) => serverOfStream(key)))) held.get(server)?.attention.notify();
      const strange = wakeups.filter(({ wellFormed }) => !wellFormed);
      malformed += strange.length;
      if (strange.length > 0) {
        sayMalformed(undefined);
        await noteMalformed(producer, strange);
      }
      failing = false;
    } catch (error) {
      if (context.stopping.aborted) return;
      // Redis is expendable: the look at Postgres twice a second finds what it did not say.
      if (!failing) context.log.warn({ err: error }, 'reading the streams fails; queues are looked at by themselves');
      failing = true;
      await pause(500, context.stopping);
    }
  }
}
