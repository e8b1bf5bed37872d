/**
 * A process that looks with other eyes: in a mount namespace of its own, or as another user. Takes JSON lines on stdin:
 * `{"shell": "…"}` runs a command, `{"user": 65534}` becomes that user, `{"environment": {…}, "place": "host"}` has the
 * doctor look. Each is answered by a line: null, or the findings.
 */
import { execFileSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { diagnose } from '../../../../handlers/cli/doctor/diagnose.ts';
import type { Place } from '../../../../handlers/cli/doctor/remedies.ts';

export type Request = { shell: string } | { user: number } | { environment: NodeJS.ProcessEnv; place: Place };

async function answer(request: Request) {
  if ('shell' in request) {
    execFileSync('sh', ['-c', request.shell]);
    return null;
  }
  if ('user' in request) {
    process.setgroups?.([]);
    process.setgid?.(request.user);
    process.setuid?.(request.user);
    return null;
  }
  return await diagnose(request);
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line) as Request))}\n`);
}
