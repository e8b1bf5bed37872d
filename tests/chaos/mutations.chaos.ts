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
  breaks: Invariant;
  seconds: number;
  /** Every third line is of this one, the others are plain. */
  behaviour?: Behaviour;
  kill?: RunPhase;
  freeze?: RunPhase;
};

const mutated: readonly Mutated[] = [
  { mutation: 'sendsRunningAgain', breaks: 'sent_twice', kill: 'sent', seconds: 4 },
  { mutation: 'putsBackAfterSend', breaks: 'sent_twice', behaviour: 'closed_at_start', seconds: 1 },
  { mutation: 'saysUnsent', breaks: 'sent_though_said_unsent', behaviour: 'closed_at_start', seconds: 1 },
  { mutation: 'answerIsLost', breaks: 'lost_without_cause', seconds: 1 },
  { mutation: 'succeedsUnsent', breaks: 'result_without_answer', seconds: 1 },
  { mutation: 'storesAnothersAnswer', breaks: 'result_of_another', seconds: 1 },
  { mutation: 'claimsWithoutLease', breaks: 'sent_without_lease', freeze: 'claiming', seconds: 9 },
  { mutation: 'newestFirst', breaks: 'reordered', seconds: 1 },
  { mutation: 'runsTwoAtOnce', breaks: 'overlap', behaviour: 'late', seconds: 3 },
  { mutation: 'lateAnswerBecomesResult', breaks: 'changed_after_final', behaviour: 'late', seconds: 4 },
  { mutation: 'forgets', breaks: 'missing', seconds: 1 },
  { mutation: 'neverEnds', breaks: 'not_final', seconds: 1 },
  { mutation: 'skipsTheDelivery', breaks: 'no_delivery', seconds: 1 },
  { mutation: 'namesEachAttemptAnew', breaks: 'webhook_id_differs', seconds: 1 },
];

let services: Services;

beforeAll(async () => {
  services = await startServices(serverNames.slice(0, 2));
  return services.stop;
});

test.for(mutated)(
  'finds a worker that $mutation: $breaks',
  { timeout: 120_000 },
  async ({ mutation, breaks, seconds, ...struck }) => {
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
    });
    const invariants = outcome.findings.map(({ invariant }) => invariant);
    expect(invariants, describeFindings(outcome.findings)).toContain(breaks);
    rmSync(outcome.folder, { recursive: true, force: true });
  },
);

function lane(next: () => Promise<void>): Lane {
  return { name: 'one', gapMs: [0, 100], next };
}
