import fc from 'fast-check';
import { expect, test } from 'vitest';
import { terminalText } from '../../../handlers/console/terminal-text.ts';

const esc = '\u001b';
const shown = (text: string) =>
  terminalText(text)
    .map((run) => run.text)
    .join('');

test.each([
  ['31', 'fg1'],
  ['91', 'fg9'],
  ['1;32', 'fg2 t-bold'],
  ['97;41', 'fg15 bg1'],
  ['2;3;4;7;9', 't-faint t-italic t-underline t-inverse t-strike'],
  ['38;5;196', 'fg9'],
  ['38;5;4', 'fg4'],
  ['38;5;250', 'fg7'],
  ['38;2;250;10;10', 'fg9'],
  ['48;2;0;0;0', 'bg0'],
  ['38:5:9', 'fg9'],
  ['38:2::0:200:0', 'fg2'],
  ['38;5;1;1', 'fg1 t-bold'],
  ['31;4:0', 'fg1'],
])('%s looks like %s', (parameters, classes) => {
  expect(terminalText(`${esc}[${parameters}mword`)).toEqual([{ text: 'word', classes }]);
});

test.each(['', '0', '31;0', '31;39', '1;22', '38;5;999', '38;2;1;2', '38;5', '38', '123', '::', '38;2;300;0;0'])(
  '%s leaves text plain',
  (parameters) => {
    expect(terminalText(`${esc}[${parameters}mword`)).toEqual([{ text: 'word', classes: '' }]);
  },
);

test('a look goes on over lines until it is reset, and one look is one run', () => {
  expect(terminalText(`a${esc}[31mb\nc${esc}[31md${esc}[0m\ne`)).toEqual([
    { text: 'a', classes: '' },
    { text: 'b\ncd\n', classes: 'fg1' },
    { text: 'e', classes: '' },
  ]);
});

test.each([
  ['the cursor', `a${esc}[2J${esc}[1;1H${esc}[Kb`],
  ['private modes', `a${esc}[?25lb`],
  ['colours with a private prefix', `a${esc}[?31mb`],
  ['a title ended by BEL', `a${esc}]0;a title\u0007b`],
  ['a link', `a${esc}]8;;https://example.com${esc}\\b${esc}]8;;${esc}\\`],
  ['device control', `a${esc}Pq#0;2;0;0;0${esc}\\b`],
  ['character sets', `a${esc}(Bb`],
  ['keypad modes', `a${esc}=b`],
  ['bells and backspaces', 'a\u0007\u0008\u0000b'],
  ['C1 controls', 'a\u009b\u0085b'],
  ['a lone ESC', `a${esc}`.concat(`${esc}[0mb`)],
])('of %s nothing is left', (_name, text) => {
  expect(terminalText(text)).toEqual([{ text: 'ab', classes: '' }]);
});

test('a sequence that never ends hides none of what follows', () => {
  expect(shown(`${esc}]0;a title without an end\nsecret line`)).toContain('secret line');
  expect(shown(`${esc}Pnever ended, to the end of the output`)).toContain('to the end of the output');
  expect(shown(`${esc}[31;${'1;'.repeat(500)}mword`)).toContain('word');
  expect(shown(`${esc}[31\nword`)).toBe('\nword');
});

test('progress that was written over itself shows its last state; other line ends are newlines', () => {
  expect(shown('10 %\r20 %\r100 %\ndone\r\nend\r')).toBe('100 %\ndone\nend');
});

test('what looks like a page stays text', () => {
  const page = '<script>alert(1)</script><img src=x onerror=alert(1)>';
  expect(terminalText(page)).toEqual([{ text: page, classes: '' }]);
});

test('whatever is printed, no control character is shown and no text is lost', () => {
  const piece = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      esc,
      `${esc}[`,
      `${esc}]`,
      `${esc}P`,
      '\r',
      '\n',
      '\t',
      ';',
      ':',
      'm',
      '31',
      '38',
      '\u0007',
      '\\',
      'K',
    ),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
      const text = pieces.join('');
      const result = shown(text);
      expect([...result].filter((character) => /\p{Cc}/u.test(character) && !'\n\t'.includes(character))).toEqual([]);
      const lines = (of: string) => of.split('\n').length;
      if (!text.includes(esc)) expect(lines(result)).toBe(lines(text));
    }),
    { numRuns: 2000 },
  );
});

test.each([
  ['colours at each character', `${esc}[31ma${esc}[32mb`],
  ['titles without an end', `${esc}]0;aaaaaaaaaaaaaaaaaaaaaaaaa`],
  ['sequences without an end', `${esc}[1;1;1;1;1;1;1;1`],
  ['nothing but ESC', esc],
  ['carriage returns', 'a\r'],
])('%s take a time and a number of runs that are bounded', (_name, piece) => {
  const text = piece.repeat(Math.ceil(80_000 / piece.length));
  const startedAt = process.cpuUsage().user;
  expect(terminalText(text).length).toBeLessThan(4100);
  expect((process.cpuUsage().user - startedAt) / 1000).toBeLessThan(500);
});
