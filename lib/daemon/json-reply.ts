import { BoundedBuffer } from './bounded-buffer.ts';
import { cursorToColumnOne, outputText } from './output-text.ts';
import type { Reply, ReplyDecoder } from './reply.ts';

// JSON writes a byte in six characters at most (\u0001): a line whose output fits always fits.
const mostEncodedBytes = 6;
const roomForOtherFields = 65_536;

const newline = 0x0a;
const quote = 0x22;
const backslash = 0x5c;
const letterU = 0x75;
const closingBrace = 0x7d;

/**
 * A decoder for daemons that send true JSON: an object a line, with a boolean `ok` and an `output`. An output that is
 * no string is given as its JSON text (null as none): it was the daemon's answer, and `lost` would be a worse one.
 * A line longer than any output that is kept whole is still read where it begins with `{"ok":…,"output":"` and ends
 * with `}`, and is then truncated; else it is malformed.
 */
export function createJsonReplyDecoder(maximumOutputBytes: number): ReplyDecoder {
  const line = new BoundedBuffer(maximumOutputBytes * mostEncodedBytes + roomForOtherFields);
  let lineBytes = 0;
  let lastByte: number | undefined;
  let result: Reply | 'malformed' | undefined;

  return {
    push(chunk) {
      if (result !== undefined) return result;
      const lineEnd = chunk.indexOf(newline);
      const part = lineEnd === -1 ? chunk : chunk.subarray(0, lineEnd);
      line.append(part);
      lineBytes += part.length;
      lastByte = part.at(-1) ?? lastByte;
      if (lineEnd === -1) return undefined;
      const overlong = lineBytes > line.limit;
      // Not outputText: a raw NUL in the line must stay the JSON error that it is.
      const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(line.bytes.subarray(0, line.length), {
        stream: overlong,
      });
      const read = jsonOrMalformed(() => {
        if (!overlong) return readWhole(text);
        return lastByte === closingBrace ? readBeginning(text) : 'malformed';
      });
      result = read === 'malformed' ? read : toReply(read, maximumOutputBytes);
      return result;
    },
  };
}

type Read = { ok: boolean; output: string; cut: boolean };

function jsonOrMalformed(read: () => Read | 'malformed'): Read | 'malformed' {
  try {
    return read();
  } catch (error) {
    // RangeError: an output nested too deeply to be written as text.
    if (error instanceof SyntaxError || error instanceof RangeError) return 'malformed';
    throw error;
  }
}

function readWhole(text: string): Read | 'malformed' {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || !('ok' in value) || !('output' in value)) return 'malformed';
  const { ok, output } = value;
  if (typeof ok !== 'boolean') return 'malformed';
  if (output === null) return { ok, output: '', cut: false };
  return { ok, output: typeof output === 'string' ? output : JSON.stringify(output), cut: false };
}

function readBeginning(text: string): Read | 'malformed' {
  const head = /^\s*\{\s*"ok"\s*:\s*(true|false)\s*,\s*"output"\s*:\s*"/.exec(text);
  if (head === null) return 'malformed';
  const start = head[0].length;
  const end = endOfJsonString(text, start);
  const output: string = JSON.parse(`"${text.slice(start, end)}"`);
  return { ok: head[1] === 'true', output, cut: text.charCodeAt(end) !== quote };
}

/** Where the string that began before `start` is closed, or where the last whole character or escape ends. */
function endOfJsonString(text: string, start: number): number {
  let at = start;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === quote) return at;
    let width = 1;
    if (code === backslash) width = text.charCodeAt(at + 1) === letterU ? 6 : 2;
    if (at + width > text.length) return at;
    at += width;
  }
  return at;
}

function toReply({ ok, output, cut }: Read, maximumOutputBytes: number): Reply {
  // Through bytes: a lone surrogate, which JSON may name and Postgres refuses, becomes U+FFFD.
  const bytes = Buffer.from(output.replaceAll(cursorToColumnOne, ''));
  const truncated = cut || bytes.length > maximumOutputBytes;
  return { ok, output: outputText(bytes.subarray(0, maximumOutputBytes), truncated), truncated };
}
