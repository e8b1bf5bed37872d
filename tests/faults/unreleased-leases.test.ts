/** A worker that stops gives its leases up; where Postgres does not hear of it, they run out. */
import { expect, test } from 'vitest';
import { createInstallation } from '../support/installation.ts';
import { waitFor } from '../support/process.ts';
import { startProxy } from '../support/proxy.ts';
import { Replicas } from '../support/replicas.ts';
import type { StandIn } from '../support/stand-in.ts';
import { storedIn } from '../support/stored.ts';

test('the release of an idle server is lost while a command runs on another: the next replica takes it over in time', async () => {
  const installation = await createInstallation({ servers: ['default', 'eu'], env: { LEASE_SECONDS: '2' } });
  const daemon = installation.daemons.get('default') as StandIn;
  const stored = storedIn(installation.database);
  const postgres = await startProxy({ target: installation.databaseUrl });
  const replicas = new Replicas(installation);
  const [web, stopping] = await Promise.all([
    installation.startWeb(),
    replicas.start({ DATABASE_URL: postgres.url(installation.databaseUrl) }),
  ]);
  await Promise.all([replicas.owner('default'), replicas.owner('eu')]);
  const hold = await daemon.hold(/STOPPING/);
  const running = await web.accept({ cmd: 'config:set api STOPPING=running' });
  await hold.held();

  postgres.refuse();
  postgres.cut();
  stopping.process.signal('SIGTERM');
  await stopping.process.waitForLog(
    ({ msg, server }) => String(msg).startsWith('lease not released') && server === 'eu',
  );
  await postgres.allow();
  const successor = await replicas.start();
  await waitFor(async () => (await stored.lease('eu')).owner === successor.id, { describe: 'the lease to run out' });
  const { token } = await web.accept({ cmd: 'config:set api STOPPING=elsewhere', server: 'eu' });
  expect(await web.final(token)).toMatchObject({ state: 'succeeded' });

  expect(await stored.lease('default')).toMatchObject({ owner: stopping.id });
  await hold.release();
  expect(await web.final(running.token)).toMatchObject({ state: 'succeeded', late_result_data: null });
  expect(daemon.timesSent(running.command)).toBe(1);
});
