/** Bytes that are gathered one piece after the other, up to a limit that is never passed. */
export class BoundedBuffer {
  readonly limit: number;
  /** The memory behind it: only the first `length` bytes mean anything. */
  bytes: Buffer = Buffer.alloc(0);
  length = 0;

  /** @param limit the most bytes that are ever held */
  constructor(limit: number) {
    this.limit = limit;
  }

  get full(): boolean {
    return this.length === this.limit;
  }

  /** Makes room in `bytes` for `count` more bytes, or for as many as the limit leaves. */
  reserve(count: number): void {
    const needed = Math.min(this.length + count, this.limit);
    if (needed <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.min(Math.max(needed, 2 * this.bytes.length), this.limit));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }

  /** Adds what fits below the limit and drops the rest. */
  append(piece: Buffer): void {
    this.reserve(piece.length);
    this.length += piece.copy(this.bytes, this.length, 0, this.limit - this.length);
  }
}
