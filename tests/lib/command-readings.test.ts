import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { checkCommandLine } from '../../lib/command-line.ts';
import { commandReadings, isRedirected, splitWords } from '../../lib/command-readings.ts';

interface Exchange {
  name: string;
  request_b64: string;
  dokku_ran_with: string[] | null;
}

const exchanges = readFileSync(new URL('../fixtures/daemon-golden.jsonl', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line): Exchange => JSON.parse(line))
  .map(({ name, request_b64, dokku_ran_with }) => ({
    name,
    line: Buffer.from(request_b64, 'base64').toString('utf8').replace(/\n$/, ''),
    words: dokku_ran_with,
  }));

function isAccepted(line: string): boolean {
  return 'command' in checkCommandLine(line, { allowRedirects: false, socketNames: [] });
}

const passedOn = exchanges.filter(({ line, words }) => words !== null && isAccepted(line));
const changed = exchanges.filter(
  ({ line, words }) => words !== null && JSON.stringify(words) !== JSON.stringify(line.split(/[ \t]+/).filter(Boolean)),
);

test.each(passedOn)('the recorded daemon ran Dokku with these words: $name', ({ line, words }) => {
  expect(commandReadings(line)[0]).toEqual(words);
});

test('what the recorded daemon ran as something else is refused', () => {
  expect(passedOn.length).toBeGreaterThan(50);
  expect(changed.map(({ line }) => line)).toHaveLength(10);
  for (const { line } of changed) expect(isAccepted(line), line).toBe(false);
});

describe('commandReadings', () => {
  test.each([
    ['', [[]]],
    [' a\t b  c ', [['a', 'b', 'c']]],
    ['a\u00a0b', [['a\u00a0b']]],
    ['a\\b', [['a\\b'], ['ab']]],
    [
      'a\\ b',
      [
        ['a\\', 'b'],
        ['a', 'b'],
      ],
    ],
    [
      'a \\ b',
      [
        ['a', '\\', 'b'],
        ['a', 'b'],
      ],
    ],
    ['\\\\x', [['\\\\x'], ['\\x']]],
    ['x \\', [['x', '\\'], ['x']]],
    ['\\\u{1f680}', [['\\\u{1f680}'], ['\u{1f680}']]],
  ])('%j', (line, readings) => {
    expect(commandReadings(line)).toEqual(readings);
  });
});

test.each([
  ['a > b', true],
  ['a< b', true],
  ['> b', true],
  ['a >b', false],
  ['a > b c', false],
  ['>', false],
  ['', false],
])('isRedirected %j: %j', (line, expected) => {
  expect(isRedirected(splitWords(line))).toBe(expected);
});
