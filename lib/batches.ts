/**
 * One call serves all that wait for it: what is asked for while as many calls as may be are under way shares the next
 * one. A call that was made is never joined.
 * @param call answers each item, in their order; where it throws, all of them fail so
 */
export function inBatches<Item, Answer>(options: {
  callsAtMost: number;
  itemsAtMost: number;
  call: (items: readonly Item[]) => Promise<readonly Answer[]>;
}): (item: Item) => Promise<Answer> {
  type Waiter = { item: Item; resolve: (answer: Answer) => void; reject: (error: unknown) => void };
  const waiting: Waiter[] = [];
  let underWay = 0;

  async function answer(batch: readonly Waiter[]): Promise<void> {
    try {
      const answers = await options.call(batch.map(({ item }) => item));
      for (const [index, { resolve }] of batch.entries()) resolve(answers[index] as Answer);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      underWay -= 1;
      callNext();
    }
  }

  function callNext(): void {
    if (underWay === options.callsAtMost || waiting.length === 0) return;
    underWay += 1;
    void answer(waiting.splice(0, options.itemsAtMost));
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      callNext();
    });
}
