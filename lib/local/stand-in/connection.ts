import type { Socket } from 'node:net';
import type { Daemon, Session } from './daemon.ts';
import type { EventLog } from './event-log.ts';
import { writeReply } from './reply-writer.ts';

/** How long socat waits, in milliseconds, after the client shut its side, before it drops what still comes. */
const HALF_CLOSE_MS = 500;

/** One client: lines in, one reply line each, in order. The socket comes paused, with half-open allowed. */
export class Connection implements Session {
  readonly id: number;
  status = 0;
  readonly #socket: Socket;
  readonly #daemon: Daemon;
  readonly #log: EventLog;
  #endedBy: 'client' | 'daemon' | null = null;
  #shut = false;
  #lingering: NodeJS.Timeout | null = null;
  #partialLine: string[] = [];
  #lines: string[] = [];
  #answering = false;

  constructor(id: number, socket: Socket, daemon: Daemon, log: EventLog) {
    this.id = id;
    this.#socket = socket;
    this.#daemon = daemon;
    this.#log = log;
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // the client is gone with a reply under way: 'close' follows, and logs it
      if (error.code === 'EPIPE' || error.code === 'ECONNRESET') return;
      console.error(`stand-in daemon: connection ${id} failed: ${error.message}`);
    });
    socket.on('close', () => {
      if (this.#lingering !== null) clearTimeout(this.#lingering);
      log.write({ event: 'disconnect', connection: id, by: this.#endedBy ?? 'client' });
      this.#endedBy ??= 'client';
    });
  }

  /** Reads from now on: what came before has waited. */
  open(): void {
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk.toString('latin1')));
    this.#socket.on('end', () => {
      this.#shut = true;
      this.#linger();
      this.#proceed();
    });
    this.#socket.resume();
  }

  end(): void {
    this.#endedBy ??= 'daemon';
    this.#socket.destroy();
  }

  #take(text: string): void {
    const pieces = text.split('\n');
    const rest = pieces.pop() ?? '';
    for (const piece of pieces) {
      this.#lines.push(this.#partialLine.join('') + piece);
      this.#partialLine = [];
    }
    if (rest !== '') this.#partialLine.push(rest);
    this.#proceed();
  }

  /** A half-close and a whole one look alike; a reply sent meanwhile gives the next one its own time. */
  #linger(): void {
    if (this.#lingering !== null) clearTimeout(this.#lingering);
    this.#lingering = setTimeout(() => {
      this.#endedBy ??= 'client';
      this.#socket.destroy();
    }, HALF_CLOSE_MS);
  }

  #proceed(): void {
    if (this.#answering) return;
    this.#answering = true;
    this.#answerAll()
      .catch((error: unknown) => {
        console.error(`stand-in daemon: connection ${this.id} ends on a fault of the stand-in:`, error);
        this.end();
      })
      .finally(() => {
        this.#answering = false;
      });
  }

  async #answerAll(): Promise<void> {
    while (this.#endedBy === null) {
      const line = this.#lines.shift();
      if (line === undefined) {
        if (this.#shut) {
          this.#endedBy = 'client';
          this.#socket.destroy();
        }
        return;
      }
      const answer = await this.#daemon.answer(this, line);
      if (answer === null || this.#endedBy !== null) return;
      const written = await writeReply(this.#socket, answer.reply, answer.fault);
      if (written.bytes > 0) this.#log.write({ event: 'reply', connection: this.id, bytes: written.bytes });
      if (written.end) this.end();
      else if (this.#shut) this.#linger();
    }
  }
}
