import { expect, test } from 'vitest';
import { endCharacters, shownText } from '../../../handlers/console/shown-text.ts';

const whole = (text: string) => ({ bytes: Buffer.byteLength(text), whole: text });

test('a text of two ends at most is shown whole', () => {
  const text = 'x'.repeat(2 * endCharacters);
  expect(shownText(whole(text))).toEqual({ whole: text });
});

test('of a longer one whole lines of both ends are shown, and what is hidden is told to the byte', () => {
  const lines = Array.from({ length: 20_000 }, (_, line) => `line ${line} ünïcode`);
  const text = lines.join('\n');
  const shown = shownText(whole(text));
  if ('whole' in shown) throw new Error('all of it is shown');
  const head = shown.head.split('\n');
  const tail = shown.tail.split('\n');
  expect(lines.slice(0, head.length)).toEqual(head);
  expect(lines.slice(-tail.length)).toEqual(tail);
  expect(shown.head.length).toBeGreaterThan(endCharacters - 100);
  expect(shown.hiddenBytes).toBe(
    Buffer.byteLength(text) - Buffer.byteLength(shown.head) - Buffer.byteLength(shown.tail),
  );
});

test('one endless line is cut between characters', () => {
  const text = '😀'.repeat(4 * endCharacters + 1);
  for (const given of [whole(text), whole(`x${text}`)]) {
    const shown = shownText(given);
    if ('whole' in shown) throw new Error('all of it is shown');
    expect(shown.head + shown.tail).not.toMatch(/\p{Cs}/u);
  }
});

test('ends that the database cut are taken as they are', () => {
  expect(shownText({ bytes: 9_000_000, head: 'first\nsecond\ncu', tail: 't\nlast line\nend' })).toEqual({
    head: 'first\nsecond',
    tail: 'last line\nend',
    hiddenBytes: 9_000_000 - 'first\nsecond'.length - 'last line\nend'.length,
  });
});
