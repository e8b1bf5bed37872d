import { expect, test } from 'vitest';
import { inBatches } from '../../lib/batches.ts';

/** Calls that end when the test says so. */
function heldCalls(options: { callsAtMost: number; itemsAtMost: number }) {
  const calls: { items: readonly string[]; answer: () => void; fail: (error: Error) => void }[] = [];
  const ask = inBatches<string, string>({
    ...options,
    call: (items) =>
      new Promise((resolve, reject) => {
        calls.push({ items, answer: () => resolve(items.map((item) => item.toUpperCase())), fail: reject });
      }),
  });
  return { calls, ask };
}

test('what comes while all calls are under way shares the next one, up to so many', async () => {
  const { calls, ask } = heldCalls({ callsAtMost: 2, itemsAtMost: 3 });
  const answers = Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(ask));
  expect(calls.map(({ items }) => items)).toEqual([['a'], ['b']]);
  calls[1]?.answer();
  await expect.poll(() => calls.length).toBe(3);
  calls[0]?.answer();
  await expect.poll(() => calls.length).toBe(4);
  expect(calls.slice(2).map(({ items }) => items)).toEqual([['c', 'd', 'e'], ['f']]);
  for (const { answer } of calls) answer();
  expect(await answers).toEqual(['A', 'B', 'C', 'D', 'E', 'F']);
});

test('a call that fails fails those whom it served, and no others', async () => {
  const { calls, ask } = heldCalls({ callsAtMost: 1, itemsAtMost: 2 });
  const answers = Promise.allSettled(['a', 'b', 'c', 'd'].map(ask));
  calls[0]?.answer();
  await expect.poll(() => calls.length).toBe(2);
  calls[1]?.fail(new Error('gone'));
  await expect.poll(() => calls.length).toBe(3);
  calls[2]?.answer();
  expect((await answers).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled']);
});

test('where the fault may be of one, each is asked for alone, and only that one fails', async () => {
  const ask = inBatches<string, string>({
    callsAtMost: 1,
    itemsAtMost: 10,
    call: async (items) => {
      if (items.includes('bad')) throw new Error('one is bad');
      return items.map((item) => item.toUpperCase());
    },
    isOfOne: () => true,
  });
  const outcomes = await Promise.allSettled(['first', 'a', 'bad', 'b'].map(ask));
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
});
