import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createReplyDecoder } from '../../../lib/daemon/reply.ts';
import { decodeInPieces, expectedReply } from './reply-model.ts';

const dialect = 'json';
const wide = { maximumOutputBytes: 1_048_576, dialect } as const;

function decode(line: string, maximumOutputBytes: number = wide.maximumOutputBytes) {
  return createReplyDecoder({ maximumOutputBytes, dialect }).push(Buffer.from(line));
}

test('any text comes back, cut anywhere, kept up to any limit', () => {
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(fc.constantFrom('\u001b[1G', '\\', '"', '\n', '\0', '€', '\uFEFF')).map((pieces) => pieces.join('')),
  );
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(fc.boolean(), texts, sizes, fc.nat(60), (ok, output, pieces, maximumOutputBytes) => {
      const line = Buffer.from(`${JSON.stringify({ ok, output })}\n`);
      // A literal backslash and n are no newline here: the model is asked without any.
      fc.pre(!output.includes('\\n'));
      expect(decodeInPieces(line, pieces, { maximumOutputBytes, dialect })).toEqual(
        expectedReply(ok, Buffer.from(output), maximumOutputBytes),
      );
    }),
    { numRuns: 1000 },
  );
});

test.each([
  ['a literal backslash and n', '{"ok":true,"output":"a\\\\nb"}', 'a\\nb'],
  ['blanks, another order, other fields', ' { "code": 3, "output" : "a" , "ok" : true }\r', 'a'],
  ['a lone surrogate', '{"ok":true,"output":"a\\ud800b"}', 'a\uFFFDb'],
  ['U+0000', '{"ok":true,"output":"a\\u0000b"}', 'a\uFFFDb'],
  ['an object', '{"ok":true,"output":{"a":[1,"b"]}}', '{"a":[1,"b"]}'],
  ['a number', '{"ok":true,"output":7}', '7'],
  ['null', '{"ok":true,"output":null}', ''],
])('%s', (_name, line, output) => {
  expect(decode(`${line}\n`)).toEqual({ ok: true, output, truncated: false });
});

test.each([
  ['an empty line', ''],
  ['no JSON', '{"ok":true,"output":"\\d"}'],
  ['a raw control character', '{"ok":true,"output":"a\u001bb"}'],
  ['a raw NUL', '{"ok":true,"output":"a\0b"}'],
  ['no object', 'true'],
  ['null', 'null'],
  ['an array', '[true,"a"]'],
  ['no ok', '{"output":"a"}'],
  ['an ok that is no boolean', '{"ok":1,"output":"a"}'],
  ['no output', '{"ok":true}'],
  ['two objects', '{"ok":true,"output":"a"}{}'],
  ['an output too deep to be written', `{"ok":true,"output":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
])('%s is malformed', (_name, line) => {
  expect(decode(`${line}\n`)).toBe('malformed');
});

test('bytes that are not UTF-8 become U+FFFD', () => {
  const line = Buffer.from('{"ok":true,"output":"a\xffb"}\n', 'latin1');
  expect(createReplyDecoder(wide).push(line)).toEqual({ ok: true, output: 'a\uFFFDb', truncated: false });
});

const overlong = 'x'.repeat(200_000);

test('a whole output of the worst encoding is never cut', () => {
  const output = '\\u0001'.repeat(20_000);
  expect(decode(`{"ok":true,"output":"${output}"}\n`, 20_000)).toEqual({
    ok: true,
    output: '\u0001'.repeat(20_000),
    truncated: false,
  });
});

test.each([
  ['of plain text', `{"ok":false,"output":"abcd${overlong}"}`, { ok: false, output: 'abcd', truncated: true }],
  ['with blanks', `{ "ok" : true , "output" : "abcd${overlong}" }`, { ok: true, output: 'abcd', truncated: true }],
  ['of escapes', `{"ok":true,"output":"\\u20acb${'\\"'.repeat(99_999)}"}`, { ok: true, output: '€b', truncated: true }],
  [
    'cut inside of an escape',
    `{"ok":true,"output":"bc${'\\"'.repeat(99_999)}"}`,
    { ok: true, output: 'bc""', truncated: true },
  ],
  [
    'cut inside of a long one',
    `{"ok":true,"output":"bc${'\\u0041'.repeat(30_000)}"}`,
    { ok: true, output: 'bcAA', truncated: true },
  ],
  [
    'with much behind the output',
    `{"ok":true,"output":"a","b":"${overlong}"}`,
    { ok: true, output: 'a', truncated: false },
  ],
  ['with much before the ok', `{"b":"${overlong}","ok":true,"output":"a"}`, 'malformed'],
  ['that is not closed', `{"ok":true,"output":"${overlong}`, 'malformed'],
  ['with a raw control character', `{"ok":true,"output":"\t${overlong}"}`, 'malformed'],
  ['that is no JSON', overlong, 'malformed'],
] as const)('a line longer than any output that is kept whole: %s', (_name, line, expected) => {
  const result = decodeInPieces(Buffer.from(`${line}\n`), [4096], { maximumOutputBytes: 4, dialect });
  expect(result).toEqual(expected);
});

test('a line that never ends takes no more memory than its limit', () => {
  const decoder = createReplyDecoder({ maximumOutputBytes: 1024, dialect });
  decoder.push(Buffer.from('{"ok":true,"output":"'));
  const piece = Buffer.alloc(65_536, 'x');
  const before = process.memoryUsage().arrayBuffers;
  for (let fed = 0; fed < 50_000_000; fed += piece.length) expect(decoder.push(piece)).toBeUndefined();
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_048_576);
  expect(decoder.push(Buffer.from('"}\n'))).toMatchObject({ ok: true, truncated: true });
});
