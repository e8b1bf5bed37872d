/**
 * Judges a chaos run by what it left behind: the clients' records, the API's answers, and the logs of daemons, workers
 * and the receiver. It knows nothing of the workers' insides.
 */
import { checkCallbacks } from './callback-checks.ts';
import { checkCommands, checkFinality } from './command-checks.ts';
import { type Counts, countRecords } from './counts.ts';
import type { Finding } from './finding.ts';
import { History } from './history.ts';
import { checkLost } from './lost-checks.ts';
import { checkOrder } from './order-checks.ts';
import type { Records } from './records.ts';

export type Verdict = { findings: Finding[]; counts: Counts };

/** Checks every invariant; what it finds is in `findings`, and nothing there is a clean run. */
export function checkRecords(records: Records): Verdict {
  const history = new History(records);
  const findings = [
    ...checkCommands(history),
    ...checkFinality(history),
    ...checkLost(history),
    ...checkOrder(history),
    ...checkCallbacks(history),
  ];
  return { findings, counts: countRecords(history, findings) };
}
