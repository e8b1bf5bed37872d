import { expect, test } from 'vitest';
import { inTime } from '../../lib/in-time.ts';
import { remembered } from '../../lib/remembered.ts';

function scene() {
  const clock = { now: 0 };
  const asked: { resolve: (value: string) => void; reject: (error: Error) => void }[] = [];
  const look = remembered(() => new Promise<string>((resolve, reject) => asked.push({ resolve, reject })), {
    forMs: 1000,
    now: () => clock.now,
  });
  return { clock, asked, look };
}

test('those who ask meanwhile share one look, and its result serves for a while', async () => {
  const { clock, asked, look } = scene();
  const both = [look(), look()];
  clock.now += 60_000;
  both.push(look());
  expect(asked).toHaveLength(1);
  asked[0]?.resolve('first');
  expect(await Promise.all(both)).toEqual(['first', 'first', 'first']);
  clock.now += 999;
  expect(await look()).toBe('first');
  clock.now += 1;
  const next = look();
  asked[1]?.resolve('second');
  expect(await next).toBe('second');
});

test('a failure serves nobody afterwards', async () => {
  const { asked, look } = scene();
  const failing = look();
  asked[0]?.reject(new Error('away'));
  await expect(failing).rejects.toThrow('away');
  const next = look();
  asked[1]?.resolve('back');
  expect(await next).toBe('back');
});

test('what does not come in time is given up, and what comes is passed on', async () => {
  await expect(inTime(new Promise(() => undefined), 5)).rejects.toThrow('no answer within 5 ms');
  await expect(inTime(Promise.reject(new Error('away')), 1000)).rejects.toThrow('away');
  expect(await inTime(Promise.resolve('here'), 1000)).toBe('here');
});
