import type { WriteStream } from 'node:tty';

const shownAfterMs = 1000;
const frames = ['|', '/', '-', '\\'];

/** Shows what is being done once it takes longer than a second: turning on a terminal, a line otherwise. */
export class Progress {
  readonly #stream: WriteStream;
  #timer: NodeJS.Timeout | undefined;
  #shown = false;

  constructor(stream: WriteStream) {
    this.#stream = stream;
  }

  /** The step before it is done. */
  begin(step: string): void {
    this.end();
    let frame = 0;
    this.#timer = setTimeout(() => {
      this.#shown = true;
      if (!this.#stream.isTTY) {
        this.#stream.write(`${step} …\n`);
        return;
      }
      const draw = () => this.#stream.write(`\r${frames[frame++ % frames.length]} ${step} …`);
      draw();
      this.#timer = setInterval(draw, 120);
    }, shownAfterMs);
  }

  end(): void {
    clearTimeout(this.#timer);
    clearInterval(this.#timer);
    if (this.#shown && this.#stream.isTTY) {
      this.#stream.clearLine(0);
      this.#stream.cursorTo(0);
    }
    this.#shown = false;
  }
}
