/**
 * What the decoder is measured against, written from the daemon's description and from the Encoding Standard, on
 * strings of one character a byte, where speed and memory are no matter.
 */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { createReplyDecoder, type Dialect, type Reply } from '../../../lib/daemon/reply.ts';

const latin1 = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');

/** As the daemon's bash does it, without its losses: newline and `"` are escaped, nothing else is. */
export function encodeReply(ok: boolean, output: Uint8Array): Buffer {
  const escaped = latin1(output).replace(/\n/g, '\\n').replace(/"/g, '\\"');
  return Buffer.from(`{"ok":${ok},"output":"${escaped}"}\n`, 'latin1');
}

/** What a client may know of an output: a literal `\n` cannot be told from a newline, `ESC [1G` is left out. */
export function expectedReply(ok: boolean, output: Uint8Array, maximumOutputBytes: number): Reply {
  const known = latin1(output).replaceAll('\\n', '\n').replaceAll('\u001b[1G', '');
  const truncated = known.length > maximumOutputBytes;
  const kept = Buffer.from(known.slice(0, maximumOutputBytes), 'latin1');
  return { ok, output: decodeUtf8(kept, !truncated).replaceAll('\0', '\uFFFD'), truncated };
}

/** The Encoding Standard's UTF-8 decoder, step by step. */
function decodeUtf8(bytes: Uint8Array, atEnd: boolean): string {
  let text = '';
  let codePoint = 0;
  let needed = 0;
  let seen = 0;
  let lower = 0x80;
  let upper = 0xbf;
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index] as number;
    if (needed === 0) {
      if (byte <= 0x7f) text += String.fromCodePoint(byte);
      else if (byte >= 0xc2 && byte <= 0xdf) [needed, codePoint] = [1, byte & 0x1f];
      else if (byte >= 0xe0 && byte <= 0xef) {
        if (byte === 0xe0) lower = 0xa0;
        if (byte === 0xed) upper = 0x9f;
        [needed, codePoint] = [2, byte & 0xf];
      } else if (byte >= 0xf0 && byte <= 0xf4) {
        if (byte === 0xf0) lower = 0x90;
        if (byte === 0xf4) upper = 0x8f;
        [needed, codePoint] = [3, byte & 0x7];
      } else text += '\uFFFD';
      continue;
    }
    const fits = byte >= lower && byte <= upper;
    [lower, upper] = [0x80, 0xbf];
    if (!fits) {
      [needed, seen, codePoint] = [0, 0, 0];
      text += '\uFFFD';
      index -= 1;
      continue;
    }
    codePoint = (codePoint << 6) | (byte & 0x3f);
    seen += 1;
    if (seen === needed) {
      text += String.fromCodePoint(codePoint);
      [needed, seen, codePoint] = [0, 0, 0];
    }
  }
  return needed > 0 && atEnd ? `${text}\uFFFD` : text;
}

/** Bytes that are mostly those which mean something to an encoding. */
export const outputs: fc.Arbitrary<Buffer> = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '\\',
        '"',
        '\n',
        'n',
        '}',
        '"}',
        '\\n',
        '\\"',
        '\u001b',
        '\u001b[',
        '\u001b[1',
        '\u001b[1G',
        '\0',
      ),
      fc.constantFrom('\xef\xbb\xbf', '\xe2\x82\xac', '\xf0\x9f\x98\x80', '\xc3', '\xe0\x80', '\xed\xa0\x80', '\xff'),
      fc.constantFrom('{"ok":false,"output":"', 'u0041', 'plain text '),
      fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte)),
    ),
    { maxLength: 60 },
  )
  .map((pieces) => Buffer.from(pieces.join(''), 'latin1'));

/**
 * Feeds a line in pieces, whose `sizes` are gone through again and again. `unfinished`: nothing came of the line's end,
 * or something came before it.
 */
export function decodeInPieces(
  line: Buffer,
  sizes: readonly number[],
  options: { maximumOutputBytes: number; dialect: Dialect },
): Reply | 'malformed' | 'unfinished' {
  const decoder = createReplyDecoder(options);
  let start = 0;
  for (let piece = 0; start < line.length; piece += 1) {
    const end = start + Math.max(1, sizes[piece % sizes.length] ?? line.length);
    const result = decoder.push(line.subarray(start, end));
    if (result !== undefined) return end >= line.length ? result : 'unfinished';
    start = end;
  }
  return 'unfinished';
}

export type Exchange = {
  name: string;
  request: Buffer;
  stdout: Buffer;
  stderr: Buffer;
  exit: number;
  ranWith: string[] | null;
  reply: Buffer;
};

/** The exchanges recorded from dokku-daemon 0.0.2. */
export const recordedExchanges: Exchange[] = readFileSync(
  new URL('../../fixtures/daemon-golden.jsonl', import.meta.url),
  'utf8',
)
  .trimEnd()
  .split('\n')
  .map((line) => {
    const recorded = JSON.parse(line);
    return {
      name: recorded.name,
      request: Buffer.from(recorded.request_b64, 'base64'),
      stdout: Buffer.from(recorded.dokku_stdout_b64, 'base64'),
      stderr: Buffer.from(recorded.dokku_stderr_b64, 'base64'),
      exit: recorded.dokku_exit,
      ranWith: recorded.dokku_ran_with,
      reply: Buffer.from(recorded.reply_b64, 'base64'),
    };
  });
