import { describeFindings } from './finding.ts';
import type { Outcome } from './run.ts';

/** What a run came to, for people: the seed, the figures, and what was found where. */
export function describeOutcome(seed: number, seconds: number, { counts, findings, folder }: Outcome): string {
  const { faults, kills, ...figures } = counts;
  const line = (title: string, values: object) =>
    `${title}: ${Object.entries(values)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ')}`;
  return [
    `chaos: seed ${seed}, ${seconds} s of faults`,
    line('commands', figures),
    line('kills', kills),
    line('faults', faults),
    findings.length === 0
      ? 'every promise was kept'
      : `${describeFindings(findings)}\nthe logs are in ${folder}; repeat it by npm run test:chaos -- --seed ${seed} --seconds ${seconds}`,
    '',
  ].join('\n');
}
