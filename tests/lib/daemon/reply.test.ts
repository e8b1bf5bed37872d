import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createReplyDecoder } from '../../../lib/daemon/reply.ts';
import {
  decodeInPieces,
  type Exchange,
  encodeReply,
  expectedReply,
  outputs,
  recordedExchanges,
} from './reply-model.ts';

const dialect = 'dokku-daemon';
const wide = { maximumOutputBytes: 1_048_576, dialect } as const;

/** The whole line, a character a byte, in one push. */
function decode(line: string, maximumOutputBytes: number = wide.maximumOutputBytes) {
  return createReplyDecoder({ maximumOutputBytes, dialect }).push(Buffer.from(line, 'latin1'));
}

/** What bash makes of what Dokku printed: NUL bytes dropped, then trailing newlines cut. */
function printed({ stdout, stderr }: Exchange): Buffer {
  const text = Buffer.concat([stdout, stderr]).toString('latin1').replaceAll('\0', '').replace(/\n+$/, '');
  return Buffer.from(text, 'latin1');
}

/** What the daemon answers by itself, where it runs nothing. */
const answeredUnrun: Record<string, { ok: boolean; output: string }> = {
  'enter shop': { ok: false, output: 'Not implemented' },
  shell: { ok: false, output: 'Not implemented' },
  commands: { ok: true, output: 'apps\napps:list\napps:destroy\nlogs\nconfig:set\nps:restart' },
  refresh: { ok: true, output: 'Refreshed commands' },
  'apps:destroy shop': { ok: false, output: 'Requires --force flag' },
};

describe('the recorded exchanges', () => {
  test.each(recordedExchanges.map((exchange) => [exchange.name, exchange] as const))('%s', (_name, exchange) => {
    const request = exchange.request.toString('latin1').trim();
    const writesAFile = request.split(/\s+/).at(-2)?.includes('>') === true;
    const expected =
      exchange.ranWith === null
        ? { ...(answeredUnrun[request] ?? { ok: false, output: 'Invalid command' }), truncated: false }
        : expectedReply(exchange.exit === 0, writesAFile ? Buffer.alloc(0) : printed(exchange), Infinity);
    expect(decodeInPieces(exchange.reply, [exchange.reply.length], wide)).toEqual(expected);
    for (const sizes of [[1], [2], [3], [5, 1], [7, 2, 1], [64]]) {
      expect(decodeInPieces(exchange.reply, sizes, wide)).toEqual(expected);
    }
  });

  test('are 115, and some show every loss', () => {
    expect(recordedExchanges).toHaveLength(115);
    expect(recordedExchanges.filter(({ stdout }) => stdout.includes('\\n')).length).toBeGreaterThan(5);
  });
});

test('any output comes back from its encoding, cut anywhere, kept up to any limit', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });
  const limits = fc.oneof(fc.constant(10_000), fc.integer({ min: 0, max: 80 }));
  fc.assert(
    fc.property(fc.boolean(), outputs, sizes, limits, (ok, output, pieces, maximumOutputBytes) => {
      const got = decodeInPieces(encodeReply(ok, output), pieces, { maximumOutputBytes, dialect });
      expect(got).toEqual(expectedReply(ok, output, maximumOutputBytes));
    }),
    { numRuns: 5000 },
  );
});

test('any line at all gives a value, never an exception', () => {
  const garbage = fc.oneof(
    outputs,
    outputs.map((bytes) => Buffer.concat([Buffer.from('{"ok":true,"output":"'), bytes])),
  );
  fc.assert(
    fc.property(garbage, fc.integer({ min: 1, max: 9 }), (bytes, size) => {
      const line = Buffer.from(`${bytes.toString('latin1').replaceAll('\n', ' ')}\n`, 'latin1');
      const valid = /^\{"ok":(true|false),"output":"[\s\S]*"\}\n$/.test(line.toString('latin1'));
      expect(decodeInPieces(line, [size], wide) !== 'malformed').toBe(valid);
    }),
    { numRuns: 2000 },
  );
});

test.each([
  ['an empty line', '\n'],
  ['a blank line', ' \n'],
  ['half a head', '{"ok":tr\n'],
  ['the head alone', '{"ok":true,"output":"\n'],
  ['an end that overlaps the head', '{"ok":true,"output":"}\n'],
  ['no end', '{"ok":true,"output":"abc\n'],
  ['something behind the end', '{"ok":true,"output":"abc"} \n'],
  ['a carriage return behind the end', '{"ok":true,"output":"abc"}\r\n'],
  ['another ok', '{"ok":null,"output":"abc"}\n'],
  ['JSON with blanks', '{"ok": true, "output": "abc"}\n'],
  ['something before', ' {"ok":true,"output":"abc"}\n'],
  ['another protocol', 'HTTP/1.1 400 Bad Request\r\n'],
])('%s is malformed', (_name, line) => {
  expect(decode(line)).toBe('malformed');
  expect(decodeInPieces(Buffer.from(line), [1], wide)).toBe('malformed');
});

test.each([
  ['the end inside of the output', '{"ok":true,"output":"a"}b"}\n', 'a"}b'],
  ['a backslash at the end', '{"ok":true,"output":"a\\"}\n', 'a\\'],
  ['an escaped quote at the end', '{"ok":true,"output":"a\\""}\n', 'a"'],
  ['two backslashes and a quote', '{"ok":true,"output":"\\\\"b"}\n', '\\"b'],
  ['what JSON would take for a tab', '{"ok":true,"output":"C:\\temp \\u0041"}\n', 'C:\\temp \\u0041'],
  ['a byte order mark', '{"ok":true,"output":"\xef\xbb\xbfa"}\n', '\uFEFFa'],
  ['U+0000', '{"ok":true,"output":"a\0b"}\n', 'a\uFFFDb'],
  ['one U+FFFD a broken sequence', '{"ok":true,"output":"\xe2\x82\xff\xf0\x9f"}\n', '\uFFFD\uFFFD\uFFFD'],
  ['cursor movements', '{"ok":true,"output":"\x1b[1Ga\x1b[1G\x1b[1mb\x1b[1"}\n', 'a\x1b[1mb\x1b[1'],
  ['a cursor movement made by taking one out', '{"ok":true,"output":"\x1b[\x1b[1G1G"}\n', '\x1b[1G'],
  ['no escape across a cursor movement', '{"ok":true,"output":"\\\x1b[1Gn"}\n', '\\n'],
])('%s', (_name, line, output) => {
  expect(decode(line)).toEqual({ ok: true, output, truncated: false });
});

test.each([
  ['just fits', 'abc', 3, 'abc', false],
  ['one too many', 'abcd', 3, 'abc', true],
  ['nothing kept', 'a', 0, '', true],
  ['an escape counts once', '\\n\\"c', 3, '\n"c', false],
  ['cursor movements do not count', 'abc\x1b[1G\x1b[1G', 3, 'abc', false],
  ['before a character that is cut', 'a\xe2\x82\xac', 3, 'a', true],
  ['after a whole one', 'a\xe2\x82\xacb', 4, 'a€', true],
  ['counted before U+FFFD takes its place', '\xff\xff\xff', 3, '\uFFFD\uFFFD\uFFFD', false],
])('the limit: %s', (_name, encoded, maximumOutputBytes, output, truncated) => {
  expect(decode(`{"ok":false,"output":"${encoded}"}\n`, maximumOutputBytes)).toEqual({ ok: false, output, truncated });
});

test('bytes after the line change nothing', () => {
  const decoder = createReplyDecoder(wide);
  const reply = { ok: true, output: 'a', truncated: false };
  expect(decoder.push(Buffer.from('{"ok":true,"output":"a"}\n{"ok":fal'))).toEqual(reply);
  expect(decoder.push(Buffer.from('se,"output":"b"}\n'))).toEqual(reply);
});

describe('memory', () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage: () => void = runInNewContext('gc');
  const bytesHeld = () => {
    // Buffers are freed beside the collector: a second run waits for what the first began.
    collectGarbage();
    collectGarbage();
    const { arrayBuffers, heapUsed } = process.memoryUsage();
    return arrayBuffers + heapUsed;
  };
  const mebibyte = 1_048_576;

  test.each([
    ['a reply of 50 MB', 50_000_000, 65_536, '{"ok":true,"output":"', '"}\n', { ok: true, truncated: true }],
    ['a reply of 4 MB in crumbs', 4_000_000, 16, '{"ok":true,"output":"', '"}\n', { ok: true, truncated: true }],
    ['a line of 50 MB that is none', 50_000_000, 65_536, 'garbage', '"}\n', 'malformed'],
    ['50 MB that never end', 50_000_000, 65_536, '{"ok":true,"output":"', '', undefined],
  ] as const)('%s', (_name, size, pieceSize, head, end, expected) => {
    const decoder = createReplyDecoder({ maximumOutputBytes: mebibyte, dialect });
    const piece = Buffer.alloc(pieceSize, 'one line of a log, and a \\"quoted\\" word\\n');
    const before = bytesHeld();
    decoder.push(Buffer.from(head));
    let most = 0;
    for (let fed = 0; fed < size; fed += piece.length) {
      if (decoder.push(piece) !== undefined) expect.unreachable('the line has not ended');
      if (fed % 4_194_304 === 0) most = Math.max(most, bytesHeld() - before);
    }
    most = Math.max(most, bytesHeld() - before);
    const result = decoder.push(Buffer.from(end));
    if (typeof expected === 'object') expect(result).toMatchObject(expected);
    else expect(result).toBe(expected);
    expect(most).toBeLessThan(2.5 * mebibyte);
  });
});
