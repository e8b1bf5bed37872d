/** Proof that the checker can fail: workers that break one promise each, which it finds without knowing of them. */
import { rmSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import type { RunPhase } from '../../worker/context.ts';
import type { BehaviourWeights } from './client.ts';
import { describeFindings, type Invariant } from './finding.ts';
import type { MutationName } from './mutations.ts';
import type { Random } from './random.ts';
import type { Behaviour } from './records.ts';
import { runChaos } from './run.ts';
import type { Lane } from './schedule.ts';
import { type Services, serverNames, startServices } from './services.ts';
import type { Site } from './site.ts';
import { freezeAtPhase, killAtPhase } from './worker-faults.ts';

type Mutated = {
  mutation: MutationName;
  seconds: number;
  /** Every third line is of this one, the others are plain. */
  behaviour?: Behaviour;
  kill?: RunPhase;
  freeze?: RunPhase;
  cancels?: number;
  repeats?: number;
};

const mutated: Readonly<Record<Invariant, readonly Mutated[]>> = {
  missing: [{ mutation: 'forgets', seconds: 1 }],
  not_final: [{ mutation: 'neverEnds', seconds: 1 }],
  two_commands_of_one_key: [{ mutation: 'forgetsIdempotencyKeys', repeats: 0.5, seconds: 2 }],
  refused: [{ mutation: 'takesRightsAway', seconds: 4 }],
  cancel_not_kept: [{ mutation: 'runsCanceled', cancels: 0.5, seconds: 2 }],
  process_ended_by_itself: [{ mutation: 'fails', seconds: 1 }],
  sent_twice: [
    { mutation: 'sendsRunningAgain', kill: 'sent', seconds: 4 },
    { mutation: 'putsBackAfterSend', behaviour: 'closed_at_start', seconds: 1 },
  ],
  sent_to_another_server: [{ mutation: 'runsAnothersCommands', seconds: 2 }],
  sent_though_said_unsent: [{ mutation: 'saysUnsent', behaviour: 'closed_at_start', seconds: 1 }],
  removed_without_cause: [{ mutation: 'takesServersForRemoved', seconds: 1 }],
  lost_without_cause: [{ mutation: 'answerIsLost', seconds: 1 }],
  more_lost_than_faults: [{ mutation: 'losesTheNextToo', kill: 'sent', seconds: 4 }],
  result_without_answer: [{ mutation: 'succeedsUnsent', seconds: 1 }],
  result_of_another: [{ mutation: 'storesAnothersAnswer', seconds: 1 }],
  timed_out_early: [{ mutation: 'isImpatient', behaviour: 'slow', seconds: 1 }],
  overlap: [{ mutation: 'runsTwoAtOnce', behaviour: 'late', seconds: 3 }],
  reordered: [{ mutation: 'newestFirst', seconds: 1 }],
  ids_out_of_order: [{ mutation: 'countsBackwards', seconds: 2 }],
  sent_without_lease: [{ mutation: 'claimsWithoutLease', freeze: 'claiming', seconds: 9 }],
  lease_stolen: [{ mutation: 'beatsInVain', seconds: 6 }],
  changed_after_final: [{ mutation: 'lateAnswerBecomesResult', behaviour: 'late', seconds: 4 }],
  late_result_changed: [{ mutation: 'changesLateResults', behaviour: 'late', seconds: 4 }],
  time_of_another_clock: [{ mutation: 'storesItsOwnTime', seconds: 1 }],
  no_delivery: [{ mutation: 'skipsTheDelivery', seconds: 1 }],
  webhook_id_differs: [{ mutation: 'namesEachAttemptAnew', seconds: 1 }],
  callback_differs: [{ mutation: 'callsBackWithLess', seconds: 1 }],
  callback_unasked: [{ mutation: 'callsSomebodyElse', seconds: 1 }],
};
const cases = Object.entries(mutated).flatMap(([breaks, each]) => each.map((one) => ({ ...one, breaks })));

let services: Services;

beforeAll(async () => {
  services = await startServices(serverNames.slice(0, 2));
  return services.stop;
});

test.for(cases)(
  'finds a worker that $mutation: $breaks',
  { timeout: 120_000 },
  async ({ mutation, breaks, seconds, cancels, repeats, ...struck }) => {
    const behaviours: BehaviourWeights = [
      [2, 'plain'],
      [1, struck.behaviour ?? 'plain'],
    ];
    const lanes = (site: Site, random: Random, over: AbortSignal): Lane[] => [
      ...(struck.kill ? [lane(() => killAtPhase(site, struck.kill ?? 'sent', over))] : []),
      ...(struck.freeze ? [lane(() => freezeAtPhase(site, struck.freeze ?? 'sent', random, over))] : []),
    ];
    const size = { webs: 1, workers: 2 };
    const outcome = await runChaos({
      services,
      seed: 1,
      seconds,
      settleSeconds: 3,
      mutation,
      behaviours,
      lanes,
      ...size,
      ...(cancels !== undefined && { cancels }),
      ...(repeats !== undefined && { repeats }),
    });
    const invariants = outcome.findings.map(({ invariant }) => invariant);
    expect(invariants, describeFindings(outcome.findings)).toContain(breaks);
    rmSync(outcome.folder, { recursive: true, force: true });
  },
);

function lane(next: () => Promise<void>): Lane {
  return { name: 'one', gapMs: [0, 100], next };
}
