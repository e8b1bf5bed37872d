import { expect, test } from 'vitest';
import { createInstallation } from '../../support/installation.ts';
import { waitFor } from '../../support/process.ts';
import { faults, startReceiver } from '../../support/receiver.ts';

test('a worker that is to stop sends none of the callbacks that it holds ready, and another may at once', async () => {
  const installation = await createInstallation({ env: { CALLBACK_ALLOW: '127.0.0.1' } });
  const [web, worker] = await Promise.all([installation.startWeb(), installation.startWorker()]);
  const receiver = await startReceiver();
  receiver.answerWith(faults.slowHead());
  for (let count = 0; count < 12; count++) await web.accept({ cmd: 'apps:list', callback_url: receiver.url });
  const locked = async () => {
    const { rows } = await installation.database.$client.query<{ locked: number }>(
      'select count(*)::int as locked from dokku_api.deliveries where locked_until > now()',
    );
    return rows[0]?.locked;
  };
  await waitFor(async () => (await locked()) === 8, { describe: 'four on their way and four that are ready' });
  expect(receiver.requests).toHaveLength(4);
  worker.signal('SIGTERM');
  await waitFor(async () => (await locked()) === 4, { describe: 'what is ready to be let go' });
  await receiver.stop();
  expect((await worker.exit).code).toBe(0);
  expect(await locked()).toBe(0);
  expect(receiver.requests).toHaveLength(4);
});
