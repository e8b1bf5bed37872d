/** Proof that the checker can fail: workers that break one promise each, which it finds without knowing of them. */
import { rmSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import type { RunPhase } from '../../worker/context.ts';
import type { BehaviourWeights } from './client.ts';
import { describeFindings, type Invariant } from './finding.ts';
import type { MutationName } from './mutations.ts';
import type { Random } from './random.ts';
import type { Behaviour } from './records.ts';
import { type Outcome, runChaos } from './run.ts';
import type { Lane } from './schedule.ts';
import { type Services, serverNames, startServices } from './services.ts';
import type { Site } from './site.ts';
import { freezeAtPhase, killAtPhase } from './worker-faults.ts';

type Run = {
  seconds: number;
  /** Every third line is of this one, the others are plain. */
  behaviour?: Behaviour;
  kill?: RunPhase;
  freeze?: RunPhase;
  cancels?: number;
  repeats?: number;
};
type Mutated = Run & { mutation: MutationName };

const mutated: Readonly<Record<Invariant, readonly Mutated[]>> = {
  missing: [{ mutation: 'forgets', seconds: 1 }],
  not_final: [{ mutation: 'neverEnds', seconds: 1 }],
  two_commands_of_one_key: [{ mutation: 'forgetsIdempotencyKeys', repeats: 0.5, seconds: 2 }],
  refused: [{ mutation: 'takesRightsAway', seconds: 8 }],
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

test('finds nothing in a worker that breaks no promise, with all that the others meet', {
  timeout: 180_000,
}, async () => {
  const { findings, folder } = await run({ behaviour: 'late', kill: 'sent', freeze: 'claiming', seconds: 9 }, 60);
  expect(findings, describeFindings(findings)).toEqual([]);
  rmSync(folder, { recursive: true, force: true });
});

test.for(cases)('finds a worker that $mutation: $breaks', { timeout: 120_000 }, async ({ breaks, ...one }) => {
  const { findings, folder } = await run(one, 3);
  const invariants = findings.map(({ invariant }) => invariant);
  expect(invariants, describeFindings(findings)).toContain(breaks);
  rmSync(folder, { recursive: true, force: true });
});

/** A short run, in which what is broken for good is soon given up. */
async function run({ behaviour = 'plain', kill, freeze, ...options }: Run, settleSeconds: number): Promise<Outcome> {
  const behaviours: BehaviourWeights = [
    [2, 'plain'],
    [1, behaviour],
  ];
  const lanes = (site: Site, random: Random, over: AbortSignal): Lane[] => [
    ...(kill ? [lane(() => killAtPhase(site, kill, over))] : []),
    ...(freeze ? [lane(() => freezeAtPhase(site, freeze, random, over))] : []),
  ];
  return await runChaos({ services, seed: 1, settleSeconds, behaviours, lanes, webs: 1, workers: 2, ...options });
}

function lane(next: () => Promise<void>): Lane {
  return { name: 'one', gapMs: [0, 100], next };
}
