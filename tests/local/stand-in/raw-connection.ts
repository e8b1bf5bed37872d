import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { waitFor } from '../../support/process.ts';

/** A client without opinions: bytes out, bytes in. Text is latin1, one character a byte. */
export class RawConnection {
  readonly #socket: Socket;
  #received: Buffer[] = [];
  #chunks = 0;
  /** How the other side ended it: `end` or the error's code; null while it is open. */
  ended: string | null = null;

  static async open(path: string): Promise<RawConnection> {
    const socket = createConnection({ path, allowHalfOpen: true });
    const connection = new RawConnection(socket);
    await once(socket, 'connect');
    return connection;
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => {
      this.#received.push(chunk);
      this.#chunks += 1;
    });
    socket.on('end', () => {
      this.ended ??= 'end';
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.ended ??= error.code ?? error.message;
    });
  }

  get text(): string {
    return Buffer.concat(this.#received).toString('latin1');
  }

  /** How many pieces the bytes came in. */
  get chunks(): number {
    return this.#chunks;
  }

  write(text: string | Buffer): void {
    this.#socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text);
  }

  /** Shuts the sending side only. */
  halfClose(): void {
    this.#socket.end();
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Resolves to the first `count` reply lines, each without its newline. */
  async lines(count: number, timeout = 10_000): Promise<string[]> {
    return waitFor(
      () => {
        const lines = this.text.split('\n');
        return lines.length > count && lines.slice(0, count);
      },
      { timeout, describe: () => `${count} reply lines; so far: ${JSON.stringify(this.text.slice(0, 200))}` },
    );
  }

  /** Resolves to how the other side ended the connection. */
  async end(timeout = 10_000): Promise<string> {
    return waitFor(() => this.ended, { timeout, describe: 'the connection to end' });
  }
}
