import { setImmediate as turn } from 'node:timers/promises';
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

const itemsOf = ({ items }: { items: readonly string[] }) => items;

test('what is asked for in one go shares a call, up to so many, before the turn ends', async () => {
  const { calls, ask } = heldCalls({ callsAtMost: 3, itemsAtMost: 3 });
  const answers = Promise.all(['a', 'b', 'c', 'd', 'e'].map(ask));
  await Promise.resolve();
  expect(calls.map(itemsOf)).toEqual([['a', 'b', 'c']]);
  await expect
    .poll(() => calls.map(itemsOf))
    .toEqual([
      ['a', 'b', 'c'],
      ['d', 'e'],
    ]);
  for (const { answer } of calls) answer();
  expect(await answers).toEqual(['A', 'B', 'C', 'D', 'E']);
});

test('behind a call that served several, the first of a turn waits for the others', async () => {
  const { calls, ask } = heldCalls({ callsAtMost: 1, itemsAtMost: 3 });
  const first = ['a', 'b'].map(ask);
  await Promise.resolve();
  calls[0]?.answer();
  await Promise.all(first);
  const second = [ask('c')];
  await Promise.resolve();
  second.push(ask('d'));
  expect(calls.length).toBe(1);
  await expect
    .poll(() => calls.map(itemsOf))
    .toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
  calls[1]?.answer();
  expect(await Promise.all(second)).toEqual(['C', 'D']);
});

test('what comes while all calls are under way shares the next one', async () => {
  const { calls, ask } = heldCalls({ callsAtMost: 2, itemsAtMost: 3 });
  const answers = [ask('a')];
  await expect.poll(() => calls.length).toBe(1);
  answers.push(ask('b'));
  await expect.poll(() => calls.length).toBe(2);
  answers.push(...['c', 'd', 'e', 'f'].map(ask));
  await turn();
  expect(calls.map(itemsOf)).toEqual([['a'], ['b']]);
  calls[1]?.answer();
  await expect.poll(() => calls.length).toBe(3);
  calls[0]?.answer();
  await expect.poll(() => calls.length).toBe(4);
  expect(calls.slice(2).map(itemsOf)).toEqual([['c', 'd', 'e'], ['f']]);
  for (const { answer } of calls) answer();
  expect(await Promise.all(answers)).toEqual(['A', 'B', 'C', 'D', 'E', 'F']);
});

test('a call that fails fails those whom it served, and no others', async () => {
  const { calls, ask } = heldCalls({ callsAtMost: 1, itemsAtMost: 2 });
  const answers = Promise.allSettled(['a', 'b', 'c', 'd', 'e'].map(ask));
  for (const [index, end] of (['answer', 'fail', 'answer'] as const).entries()) {
    await expect.poll(() => calls.length).toBe(index + 1);
    calls[index]?.[end](new Error('gone'));
  }
  const statuses = (await answers).map(({ status }) => status);
  expect(statuses).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected', 'fulfilled']);
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
