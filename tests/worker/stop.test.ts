import { expect, test } from 'vitest';
import { createInstallation } from '../support/installation.ts';

test('a worker that waits for a late answer stops at once all the same', async () => {
  const installation = await createInstallation();
  const [web, worker] = await Promise.all([installation.startWeb(), installation.startWorker()]);
  await installation.daemons.get('default')?.addSwitch({ match: 'apps:list', reply: { kind: 'silent' } });
  const { token } = await web.accept({ cmd: 'apps:list', timeout: '1' });
  expect((await web.final(token)).state).toBe('timed_out');
  worker.signal('SIGTERM');
  await worker.waitForLog(({ msg }) => msg === 'worker stopped');
  const ended = await Promise.race([worker.exit, new Promise((resolve) => setTimeout(resolve, 2000, 'still there'))]);
  expect(ended).toEqual({ code: 0, signal: null });
});
