/** An answer of Server-Sent Events, written as fast as the client reads, and given up where it reads too slowly. */
import { once } from 'node:events';
import type { Context } from 'hono';
import { describeError } from './error-report.ts';
import type { AppEnv, Dependencies } from './factory.ts';

type StreamDependencies = Pick<Dependencies, 'stopping' | 'timing' | 'keyStanding' | 'changeSubscription' | 'log'>;

/** What may wait for a slow reader, beside one event of any size. */
const backlogBytes = 4 * 1024 * 1024;
/** An event has three at the most. */
const backlogChunks = 1000;
/** What is longer is left where it is, which other streams may share. */
const copiedBelowBytes = 64 * 1024;

/** `data` is sent as JSON; bytes are JSON already. */
export type StreamEvent = { id: string; data: unknown };

const lineEnds = new TextEncoder().encode('\n\n');

export class EventStream {
  /** Aborted when nobody will read any more, and when the process is to stop. */
  readonly ended: AbortSignal;
  readonly #context: Context<AppEnv>;
  readonly #ended = new AbortController();
  readonly #encoder = new TextEncoder();
  readonly #log: Dependencies['log'];
  #backlog: Uint8Array[] = [];
  #bytes = 0;
  #stalled = false;
  #wake: (() => void) | undefined;
  #onDrained: (() => void) | undefined;

  constructor(
    context: Context<AppEnv>,
    { stopping, timing, keyStanding, changeSubscription, log }: StreamDependencies,
  ) {
    this.#context = context;
    this.#log = log;
    this.ended = this.#ended.signal;
    const end = () => this.end();
    stopping.addEventListener('abort', end, { once: true });
    const heartbeat = setInterval(() => void this.#beat(keyStanding), timing.heartbeatMs);
    this.ended.addEventListener('abort', () => {
      clearInterval(heartbeat);
      stopping.removeEventListener('abort', end);
      this.#wake?.();
      this.#onDrained?.();
    });
    if (stopping.aborted) this.end();
    changeSubscription.follow(this.ended);
  }

  /** The place to resume at, which each heartbeat repeats for a client that was told of nothing since. */
  resumeAt: () => string | undefined = () => undefined;

  send({ id, data }: StreamEvent): void {
    const json = data instanceof Uint8Array ? data : this.#encoder.encode(JSON.stringify(data));
    const event = [this.#encoder.encode(`event: command\nid: ${id}\ndata: `), json, lineEnds];
    this.#write(...(json.byteLength < copiedBelowBytes ? [Buffer.concat(event)] : event));
  }

  /** Tells a client that was told of nothing yet where to resume. */
  mark(resumeAt: string): void {
    this.#write(this.#encoder.encode(`id: ${resumeAt}\n\n`));
  }

  /** Resolves when nobody reads any more. */
  async over(): Promise<void> {
    if (!this.ended.aborted) await once(this.ended, 'abort');
  }

  /** Resolves when all that was sent is with the operating system, or nobody reads any more. */
  async drained(): Promise<void> {
    while (this.#bytes > 0 && !this.ended.aborted) {
      await new Promise<void>((resolve) => {
        this.#onDrained = resolve;
      });
    }
  }

  /** Nothing more is sent; what was is still written. */
  end(): void {
    this.#ended.abort();
  }

  /** Runs what sends the events, to the stream's end. A failure cuts the connection: the client comes back and resumes. */
  answer(produce: () => Promise<void>): Response {
    produce().then(
      () => this.end(),
      (error: unknown) => this.#cut('its events could not be read', error),
    );
    const body = new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          while (this.#backlog.length === 0 && !this.ended.aborted) {
            await new Promise<void>((resolve) => {
              this.#wake = resolve;
            });
          }
          const chunk = this.#backlog.shift();
          if (chunk === undefined) return controller.close();
          this.#bytes -= chunk.byteLength;
          this.#stalled = false;
          controller.enqueue(chunk);
          if (this.#bytes === 0) this.#onDrained?.();
        },
        cancel: () => {
          this.#backlog = [];
          this.end();
        },
      },
      { highWaterMark: 0 },
    );
    // nginx would collect the events until its buffer is full.
    this.#context.header('X-Accel-Buffering', 'no');
    return this.#context.body(body, 200, { 'Content-Type': 'text/event-stream' });
  }

  #write(...chunks: Uint8Array[]): void {
    if (this.ended.aborted) return;
    const bytes = chunks.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const isFull = this.#backlog.length >= backlogChunks || this.#bytes + bytes > backlogBytes;
    if (this.#backlog.length > 0 && isFull) this.#cut('it is read too slowly');
    else {
      this.#backlog.push(...chunks);
      this.#bytes += bytes;
      this.#wake?.();
    }
  }

  #cut(reason: string, error?: unknown): void {
    if (this.ended.aborted) return;
    const cause = error === undefined ? {} : describeError(error);
    this.#log.info({ request_id: this.#context.get('requestId'), ...cause }, `an event stream is cut: ${reason}`);
    this.#backlog = [];
    this.end();
    this.#context.env.outgoing.destroy();
  }

  /** Also where events flow: whoever lost the right to see them sees them for one heartbeat at most. */
  async #beat(keyStanding: StreamDependencies['keyStanding']): Promise<void> {
    if (this.#backlog.length > 0) {
      if (this.#stalled) return this.#cut('it is not read');
      this.#stalled = true;
    } else {
      const resumeAt = this.resumeAt();
      const id = resumeAt === undefined ? '' : `id: ${resumeAt}\n`;
      this.#write(this.#encoder.encode(`: heartbeat\n${id}\n`));
    }
    try {
      const key = this.#context.get('key');
      const secretHash = this.#context.get('secretHash');
      if (!(await keyStanding(key.id, secretHash))) this.end();
    } catch (error) {
      // A database that cannot tell has no events either.
      this.#log.debug(describeError(error), 'whether a key still stands could not be read');
    }
  }
}
