/**
 * One call serves all that wait for it: what is asked for in one turn of the event loop, and what is asked for while as
 * many calls as may be are under way. Behind a call that served one alone, the next waits for no more than the code that
 * asked. A call that was made is never joined.
 * @param options.call answers each item, in their order; where it throws, all of them fail so
 * @param options.isOfOne whether such an error may be the fault of one item: each is then asked for alone, so that
 *   nobody fails for another's
 */
export function inBatches<Item, Answer>(options: {
  callsAtMost: number;
  itemsAtMost: number;
  call: (items: readonly Item[]) => Promise<readonly Answer[]>;
  isOfOne?: (error: unknown) => boolean;
}): (item: Item) => Promise<Answer> {
  type Waiter = { item: Item; resolve: (answer: Answer) => void; reject: (error: unknown) => void };
  const waiting: Waiter[] = [];
  let underWay = 0;
  let gathering = false;
  /** Whether the last call served several, so that the next item is not likely to be alone. */
  let crowded = false;

  async function answer(batch: readonly Waiter[]): Promise<void> {
    try {
      const answers = await options.call(batch.map(({ item }) => item));
      for (const [index, { resolve }] of batch.entries()) resolve(answers[index] as Answer);
    } catch (error) {
      if (batch.length > 1 && options.isOfOne?.(error)) return await answerEach(batch);
      for (const { reject } of batch) reject(error);
    }
  }

  async function answerEach(batch: readonly Waiter[]): Promise<void> {
    for (const waiter of batch) await answer([waiter]);
  }

  async function answerNext(): Promise<void> {
    underWay += 1;
    try {
      const batch = waiting.splice(0, options.itemsAtMost);
      crowded = batch.length > 1;
      await answer(batch);
    } finally {
      underWay -= 1;
      callNext();
    }
  }

  function callNext(): void {
    if (gathering || underWay === options.callsAtMost || waiting.length === 0) return;
    gathering = true;
    const afterwards = underWay === 0 && !crowded ? queueMicrotask : setImmediate;
    afterwards(() => {
      gathering = false;
      void answerNext();
      callNext();
    });
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      callNext();
    });
}
