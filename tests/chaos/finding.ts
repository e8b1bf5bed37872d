/** What must hold of every run, by the promise that it is a part of. */
export type Invariant =
  /** 1. A command that was answered 2xx reaches exactly one final state. */
  | 'missing'
  | 'not_final'
  | 'two_commands_of_one_key'
  | 'refused'
  | 'cancel_not_kept'
  | 'process_ended_by_itself'
  /** 2. It is written to the daemon at most once, and is `lost` only where its outcome is unknown. */
  | 'sent_twice'
  | 'sent_to_another_server'
  | 'sent_though_said_unsent'
  | 'removed_without_cause'
  | 'lost_without_cause'
  | 'more_lost_than_faults'
  | 'result_without_answer'
  | 'result_of_another'
  | 'timed_out_early'
  /** 3. Per server one at a time, in the order accepted, by whoever holds the lease. */
  | 'overlap'
  | 'reordered'
  | 'ids_out_of_order'
  | 'sent_without_lease'
  | 'lease_stolen'
  /** 4. A final state and its result never change. */
  | 'changed_after_final'
  | 'late_result_changed'
  | 'time_of_another_clock'
  /** 5. A final command with a callback has a delivery, all of whose attempts bear one id. */
  | 'no_delivery'
  | 'webhook_id_differs'
  | 'callback_differs'
  | 'callback_unasked';

export type Finding = { invariant: Invariant; what: string };

/** Where a promise is broken many times over, so many are told of. */
const toldAtMost = 5;

export function describeFindings(findings: readonly Finding[]): string {
  return [...new Set(findings.map(({ invariant }) => invariant))]
    .flatMap((invariant) => {
      const found = findings.filter((finding) => finding.invariant === invariant);
      return [`${invariant}: ${found.length}`, ...found.slice(0, toldAtMost).map(({ what }) => `  ${what}`)];
    })
    .join('\n');
}
