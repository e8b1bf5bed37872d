import { startProcess } from '../support/process.ts';

/** What the doctor says of one check, in a process with this environment: its line, and the remedy below it, as `… → …`. */
export async function consult(env: Record<string, string>, check: string): Promise<string> {
  const doctor = startProcess({ script: 'handlers/cli/doctor.ts', env });
  await doctor.exit;
  const lines = doctor.stdout().split('\n');
  const at = lines.findIndex((line) => new RegExp(`^\\w+ +${check} {2}`).test(line));
  const [line = '', next = ''] = lines.slice(at, at + 2);
  if (at === -1) throw new Error(`the doctor says nothing of ${check}:\n${doctor.stdout()}${doctor.stderr()}`);
  const remedy = /^ +→ /.test(next) ? ` → ${next.replace(/^ +→ /, '')}` : '';
  return `${line.replace(/ {2,}/g, ' ')}${remedy}`;
}
