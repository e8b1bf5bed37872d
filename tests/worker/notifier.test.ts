import { expect, test } from 'vitest';
import { Notifier } from '../../worker/notifier.ts';

test('a notification before the wait is not lost', async () => {
  const notifier = new Notifier();
  notifier.notify();
  await notifier.wait();
});

test('is used up by one wait', async () => {
  const notifier = new Notifier();
  notifier.notify();
  await notifier.wait();
  const order: string[] = [];
  const second = notifier.wait().then(() => order.push('woken'));
  order.push('notifying');
  notifier.notify();
  await second;
  expect(order).toEqual(['notifying', 'woken']);
});

test('waits no longer than its time, or until aborted, without leaving listeners', async () => {
  const notifier = new Notifier();
  await notifier.wait({ timeoutMs: 1 });
  const stop = new AbortController();
  const waiting = notifier.wait({ signal: stop.signal });
  stop.abort();
  await waiting;
  await notifier.wait({ signal: stop.signal });
});
