import { BoundedBuffer } from './bounded-buffer.ts';
import { createJsonReplyDecoder } from './json-reply.ts';
import { cursorToColumnOne, outputText } from './output-text.ts';

/** `dokku-daemon` is what the released daemon sends, which only looks like JSON. `json` is true JSON. */
export type Dialect = 'dokku-daemon' | 'json';

/** `truncated`: the output was longer than the limit, and its end was cut. */
export type Reply = { ok: boolean; output: string; truncated: boolean };

export type ReplyDecoder = {
  /**
   * Takes the next bytes from the socket, cut anywhere. Gives undefined until the line's `\n` came, then the reply,
   * or `malformed` where the line is not of the daemon's form. Bytes after the line are ignored.
   */
  push(chunk: Buffer): Reply | 'malformed' | undefined;
};

/**
 * A decoder of the one line that a daemon answers. It never throws on what it is fed, and what it holds is bounded by
 * the limit, however long the line.
 * @param options.maximumOutputBytes of the decoded output that are kept, counted before bytes that are not UTF-8 are
 *   replaced
 */
export function createReplyDecoder(options: { maximumOutputBytes: number; dialect: Dialect }): ReplyDecoder {
  switch (options.dialect) {
    case 'dokku-daemon':
      return createDokkuDaemonReplyDecoder(options.maximumOutputBytes);
    case 'json':
      return createJsonReplyDecoder(options.maximumOutputBytes);
  }
}

const heads = [true, false].map((ok) => ({ ok, bytes: Buffer.from(`{"ok":${ok},"output":"`) }));
const tail = Buffer.from('"}');
const newline = 0x0a;
const quote = 0x22;
const backslash = 0x5c;
const letterN = 0x6e;
const cursorSequence = Buffer.from(cursorToColumnOne);
const escapeByte = cursorSequence[0];

/**
 * The exact inverse of dokku-daemon's own encoding, which escapes the newline and `"` of an output and nothing else:
 * a backslash before neither stands for itself, and only the last `"}` of the line is its end.
 */
function createDokkuDaemonReplyDecoder(maximumOutputBytes: number): ReplyDecoder {
  // One byte more than is kept tells a cut output from one that just fits.
  const output = new BoundedBuffer(maximumOutputBytes + 1);
  let ok: boolean | undefined;
  let strange = false;
  // The end of what came, whose meaning the next bytes decide.
  let held: Buffer = Buffer.alloc(0);
  let result: Reply | 'malformed' | undefined;

  function take(part: Buffer): void {
    if (strange) return;
    let bytes = held.length === 0 ? part : Buffer.concat([held, part]);
    if (ok === undefined) {
      const head = heads.find((candidate) => startsWith(bytes, candidate.bytes));
      if (head === undefined) {
        strange = !heads.some((candidate) => startsWith(candidate.bytes, bytes));
        held = Buffer.from(strange ? '' : bytes);
        return;
      }
      ok = head.ok;
      bytes = bytes.subarray(head.bytes.length);
    }
    const end = Math.max(0, bytes.length - tail.length);
    const taken = unescapeInto(output, bytes, end, false);
    held = Buffer.from(bytes.subarray(output.full ? end : taken));
  }

  function finish(): Reply | 'malformed' {
    const end = held.length - tail.length;
    if (ok === undefined || !held.subarray(end).equals(tail)) return 'malformed';
    unescapeInto(output, held, end, true);
    const truncated = output.length > maximumOutputBytes;
    const kept = output.bytes.subarray(0, Math.min(output.length, maximumOutputBytes));
    return { ok, output: outputText(kept, truncated), truncated };
  }

  return {
    push(chunk) {
      if (result !== undefined) return result;
      const lineEnd = chunk.indexOf(newline);
      take(lineEnd === -1 ? chunk : chunk.subarray(0, lineEnd));
      if (lineEnd !== -1) result = finish();
      return result;
    },
  };
}

function startsWith(bytes: Buffer, start: Buffer): boolean {
  return bytes.subarray(0, start.length).equals(start);
}

/**
 * Decodes `bytes` up to `end` into `output`, until that is full. One look at each byte is faster here than
 * `Buffer.indexOf`, whose calls cost most where escapes are many (Dokku's own JSON: 590 MB/s against 80).
 * @param whole whether the output ends at `end`; if not, an escape whose rest is still to come is left
 * @returns how many bytes were dealt with
 */
function unescapeInto(output: BoundedBuffer, bytes: Buffer, end: number, whole: boolean): number {
  output.reserve(end);
  const { bytes: target, limit } = output;
  let written = output.length;
  let at = 0;
  while (at < end && written < limit) {
    let byte = bytes[at] as number;
    let width = 1;
    if (byte === backslash) {
      if (at + 1 === end && !whole) break;
      const next = at + 1 < end ? bytes[at + 1] : undefined;
      if (next === quote || next === letterN) {
        byte = next === quote ? quote : newline;
        width = 2;
      }
    } else if (byte === escapeByte) {
      let matched = 1;
      while (matched < cursorSequence.length && at + matched < end && bytes[at + matched] === cursorSequence[matched]) {
        matched += 1;
      }
      if (matched === cursorSequence.length) {
        at += matched;
        continue;
      }
      if (at + matched === end && !whole) break;
    }
    target[written] = byte;
    written += 1;
    at += width;
  }
  output.length = written;
  return at;
}
