import type { Installation, Web } from '../support/installation.ts';
import type { TestProcess } from '../support/process.ts';

/** Has a web process and a worker run for as long as the look takes: a worker that stays keeps its lease from the next. */
export async function withProcesses(
  installation: Installation,
  env: Record<string, string>,
  look: (processes: { web: Web; worker: TestProcess }) => Promise<void>,
): Promise<void> {
  const [web, worker] = await Promise.all([installation.startWeb(env), installation.startWorker(env)]);
  try {
    await look({ web, worker });
  } finally {
    await Promise.all([web.process.stop(), worker.stop()]);
  }
}
