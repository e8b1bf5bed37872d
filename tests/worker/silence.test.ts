import { expect, test } from 'vitest';
import { Silence } from '../../worker/silence.ts';

function silenceAt(longestGapMs = 5000) {
  const clock = { now: 0 };
  const silence = new Silence(() => clock.now, longestGapMs);
  const lookAfter = (ms: number, signs: Record<string, string>) => {
    clock.now += ms;
    silence.look(new Map(Object.entries(signs)));
  };
  return { silence, lookAfter, clock };
}

test('counts for how long the same sign was seen', () => {
  const { silence, lookAfter } = silenceAt();
  lookAfter(0, { a: '1' });
  lookAfter(4000, { a: '1' });
  expect(silence.silentMs('a')).toBe(4000);
  lookAfter(1000, { a: '2' });
  expect(silence.silentMs('a')).toBe(0);
});

test('who was never seen is not silent', () => {
  expect(silenceAt().silence.silentMs('nobody')).toBe(0);
});

test('a failed look starts every count anew: an outage of Postgres kills nobody', () => {
  const { silence, lookAfter, clock } = silenceAt();
  lookAfter(0, { a: '1' });
  clock.now += 60_000;
  silence.lookFailed();
  lookAfter(0, { a: '1' });
  expect(silence.silentMs('a')).toBe(0);
});

test('looks too far apart do not connect: this process may have been stopped meanwhile', () => {
  const { silence, lookAfter } = silenceAt(5000);
  lookAfter(0, { a: '1' });
  lookAfter(5001, { a: '1' });
  expect(silence.silentMs('a')).toBe(0);
});

test('who is gone and comes back is new', () => {
  const { silence, lookAfter } = silenceAt();
  lookAfter(0, { a: '1' });
  lookAfter(3000, {});
  lookAfter(3000, { a: '1' });
  expect(silence.silentMs('a')).toBe(0);
});
