/** Promise 5: callbacks. */
import { isFinal, type WireCommand } from '../../lib/command.ts';
import type { Finding } from './finding.ts';
import type { History } from './history.ts';
import type { DeliveryAnswer, ReceivedCallback } from './records.ts';

export function checkCallbacks(history: History): Finding[] {
  const { callbacks, commands, deliveries } = history.records;
  const received = new Map<string, ReceivedCallback[]>();
  for (const callback of callbacks) received.set(callback.url, [...(received.get(callback.url) ?? []), callback]);
  const asked = new Set(commands.map(({ callback_url }) => callback_url));
  const unasked = [...received.keys()]
    .filter((url) => !asked.has(url))
    .map((url): Finding => ({ invariant: 'callback_unasked', what: `${url} belongs to no command` }));
  const ofCommands = commands.flatMap((command) =>
    command.callback_url === null
      ? []
      : checkDelivery(command, deliveries[command.token], received.get(command.callback_url) ?? []),
  );
  return [...unasked, ...ofCommands];
}

function checkDelivery(
  command: WireCommand,
  delivery: DeliveryAnswer | undefined,
  received: readonly ReceivedCallback[],
): Finding[] {
  const { token } = command;
  if (!isFinal(command.state)) {
    return received.length === 0 ? [] : [{ invariant: 'callback_unasked', what: `${token} is not final` }];
  }
  if (delivery === undefined || delivery.webhook_id === null || !isEndedOrDue(delivery)) {
    return [{ invariant: 'no_delivery', what: `${token} is final, its delivery ${JSON.stringify(delivery)}` }];
  }
  const findings: Finding[] = [];
  const succeeded = received.some(({ status }) => status !== null && status >= 200 && status < 300);
  if (delivery.state === 'delivered' && !succeeded) {
    findings.push({ invariant: 'no_delivery', what: `${token} is delivered, and the receiver has not taken it` });
  }
  const ids = new Set([delivery.webhook_id, ...received.map(({ webhookId }) => webhookId)]);
  if (ids.size > 1) findings.push({ invariant: 'webhook_id_differs', what: `${token} has ${[...ids].join(', ')}` });
  const expected = JSON.stringify({ ...command, late_result_data: null });
  const other = received.find(({ body }) => body !== expected);
  if (other !== undefined) {
    findings.push({ invariant: 'callback_differs', what: `${token} is ${expected}, its callback ${other.body}` });
  }
  return findings;
}

function isEndedOrDue({ state, next_attempt_at }: DeliveryAnswer): boolean {
  return state === 'pending' ? next_attempt_at !== null : state !== null && next_attempt_at === null;
}
