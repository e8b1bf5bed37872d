import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { Finding } from '../../../../handlers/cli/doctor/finding.ts';
import type { Request } from './elsewhere.ts';

const script = fileURLToPath(new URL('elsewhere.ts', import.meta.url));

/**
 * Starts a process that looks from elsewhere; it ends with the test.
 * @param within what to start it by, as `unshare -m`
 */
export function startObserver(within: readonly string[] = []) {
  const [command = '', ...args] = [...within, process.execPath, '--import', import.meta.resolve('tsx'), script];
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  onTestFinished(async () => {
    child.stdin.end();
    await ended;
  });
  return async (request: Request): Promise<Finding[]> => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await answers.next();
    if (done) throw new Error(`${command} ended without an answer to ${Object.keys(request).join()}`);
    return (JSON.parse(value) as Finding[] | null) ?? [];
  };
}
