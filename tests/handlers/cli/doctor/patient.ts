import { execFileSync } from 'node:child_process';
import { diagnose } from '../../../../handlers/cli/doctor/diagnose.ts';
import type { Finding } from '../../../../handlers/cli/doctor/finding.ts';
import type { Place } from '../../../../handlers/cli/doctor/remedies.ts';
import { waitFor } from '../../../support/process.ts';

/** What is wrong, as the doctor shows it: `status check: says → remedy`. */
export async function problems(environment: NodeJS.ProcessEnv, place: Place = 'host'): Promise<string[]> {
  const findings = await diagnose({ environment, place });
  return findings.filter(({ status }) => status !== 'ok').map(shown);
}

function shown(finding: Finding): string {
  const remedy = 'remedy' in finding ? ` → ${finding.remedy}` : '';
  return `${finding.status} ${finding.check}: ${finding.says}${remedy}`;
}

/** Waits until the doctor finds nothing, as it does some moments after a process was started. */
export async function untilClean(environment: NodeJS.ProcessEnv): Promise<void> {
  let found: string[] = [];
  await waitFor(
    async () => {
      found = await problems(environment);
      return found.length === 0;
    },
    { timeout: 20_000, describe: () => `the doctor to find nothing; it found:\n${found.join('\n')}` },
  );
}

/** Types a remedy into a shell in which `dokku config:…` is known; gives the environment that comes of it. */
export function typeIntoShell(remedy: string, environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const dokku =
    'dokku() { local what=$1; shift 2; case $what in config:set) export "$@" ;; config:unset) unset "$@" ;; esac; }';
  const output = execFileSync('bash', ['--norc', '-c', `set -e\n${dokku}\n${remedy}\nunset -f dokku\nenv -0`], {
    env: { ...environment, PATH: process.env.PATH },
    encoding: 'utf8',
  });
  return Object.fromEntries(
    output
      .split('\0')
      .filter((entry) => entry.includes('='))
      .map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
  );
}

/** What follows the arrow of a finding. */
export function remedyIn(problem: string | undefined): string {
  return problem?.split(' → ')[1] ?? '';
}
