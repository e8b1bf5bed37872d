import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkCommandLine } from '../../lib/command-line.ts';
import { matchRules } from '../../lib/command-rules.ts';
import { type CommandCase, commandCase, SOCKET_NAMES } from './command-case.ts';

const RUNS = Number(process.env.FUZZ_RUNS ?? 4000);
const SEED = Number(process.env.FUZZ_SEED ?? 20_170_315);
const BATCH = 2000;

interface Verdict {
  code: string;
  expansion: string;
  by: string;
}

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'command-model-'));
  for (const name of SOCKET_NAMES) writeFileSync(join(folder, name), '');
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

function askModel(cases: readonly CommandCase[]): Verdict[] {
  const input = cases
    .flatMap(({ command, allowRedirects, rules }) => [command, allowRedirects ? '1' : '0', `${rules.length}`, ...rules])
    .map((field) => `${field}\0`)
    .join('');
  const script = join(import.meta.dirname, 'command-model.sh');
  const output = execFileSync('bash', [script, ...SOCKET_NAMES], {
    cwd: folder,
    input,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8' },
    maxBuffer: 1 << 26,
  });
  const verdicts = output
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' '));
  expect(verdicts).toHaveLength(cases.length);
  return verdicts.map(([code = '', expansion = '', by = '']) => ({ code, expansion, by }));
}

function askOurs({ command, allowRedirects, rules }: CommandCase): { code: string; by: string } {
  const checked = checkCommandLine(command, { allowRedirects, socketNames: SOCKET_NAMES });
  const match = matchRules(rules, command);
  const by = match.allowed ? (match.rule === null ? 'any' : `${rules.indexOf(match.rule)}`) : 'none';
  return { code: 'code' in checked ? checked.code : 'accepted', by };
}

/** Constructs in brackets that releases of bash read differently, and that we therefore refuse where they could match. */
function isUnsettled(command: string): boolean {
  return /\[[^ \t]*(\[[.=:]|-\[)/.test(command);
}

test(`agrees with bash on ${RUNS} command lines`, () => {
  const codes = new Map<string, number>();
  let allowed = 0;
  let byRule = 0;
  let unsettled = 0;
  const wrong: object[] = [];
  for (let done = 0; done < RUNS && wrong.length < 5; done += BATCH) {
    const cases = fc.sample(commandCase, { numRuns: Math.min(BATCH, RUNS - done), seed: SEED + done });
    const verdicts = askModel(cases);
    cases.forEach((item, index) => {
      const model = verdicts[index];
      const ours = askOurs(item);
      codes.set(ours.code, (codes.get(ours.code) ?? 0) + 1);
      if (ours.code === 'accepted' && ours.by !== 'none') allowed += 1;
      if (ours.by !== 'none' && ours.by !== 'any') byRule += 1;
      const sound = ours.code !== 'accepted' || model?.expansion === 'kept';
      const same = ours.code === model?.code && ours.by === model.by;
      const stricter =
        ours.code === 'glob_refused' && (ours.by === model?.by || ours.by === 'none') && isUnsettled(item.command);
      if (!same && stricter) unsettled += 1;
      if (!sound || !(same || stricter)) wrong.push({ ...item, ours, model });
    });
  }
  expect(wrong, `FUZZ_SEED=${SEED}`).toEqual([]);
  expect(allowed / RUNS).toBeGreaterThan(0.3);
  expect(byRule / RUNS).toBeGreaterThan(0.3);
  expect(unsettled / RUNS).toBeLessThan(0.03);
  for (const code of ['blank', 'control_character', 'glob_refused', 'redirect_refused', 'never_ends']) {
    expect(codes.get(code) ?? 0, code).toBeGreaterThan(RUNS / 1000);
  }
}, 600_000);
