import { styleText } from 'node:util';
import type { Finding } from './finding.ts';

const colors = { ok: 'green', skipped: 'gray', warning: 'yellow', failed: 'red' } as const;
const statusWidth = 9;
const checkWidth = 22;

/** A finding as text: one line, and where something is wrong a second one with what to do. */
export function reportLines(finding: Finding, options: { colored: boolean }): string {
  const { status, check, says } = finding;
  const word = status.padEnd(statusWidth);
  const line = `${options.colored ? styleText(colors[status], word, { validateStream: false }) : word}${check.padEnd(checkWidth)} ${oneLine(says)}`;
  return 'remedy' in finding ? `${line}\n${' '.repeat(statusWidth)}→ ${finding.remedy}` : line;
}

/** What others say is shown as text: a line of theirs must not pass for one of ours, nor steer a terminal. */
function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ').trim();
}
