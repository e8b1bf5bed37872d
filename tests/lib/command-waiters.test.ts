import { expect, test } from 'vitest';
import { CommandWaiters, type Watched } from '../../lib/command-waiters.ts';

test('what is announced in one go shares one look', async () => {
  const looks: number[][] = [];
  const waiters = new CommandWaiters<Watched>({
    look: {
      changes: async () => [],
      rows: async function* (ids) {
        looks.push([...ids]);
        yield ids.map((id) => ({ id, changedIn: '2', state: 'succeeded' }));
      },
      row: async (known) => known,
    },
    onError: (error) => {
      throw error;
    },
  });
  const waits = [1, 2, 3].map((id) =>
    waiters.wait({ id, changedIn: '1', state: 'running' }, 'final', { timeoutMs: 5000, signals: [] }),
  );
  for (const id of [1, 2, 3]) waiters.announce({ id, state: 'succeeded' });
  expect((await Promise.all(waits)).map(({ state }) => state)).toEqual(['succeeded', 'succeeded', 'succeeded']);
  expect(looks).toEqual([[1, 2, 3]]);
});
