/** Postgres behind a real PgBouncer. */
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { migrate } from '../../db/release.ts';
import type { WireCommand } from '../../lib/command.ts';
import { createDatabase } from '../support/database.ts';
import { createInstallation } from '../support/installation.ts';
import { startProcess, waitFor } from '../support/process.ts';
import { query } from '../support/query.ts';
import type { StandIn } from '../support/stand-in.ts';
import { consult } from './doctor.ts';
import { startPgBouncer } from './pgbouncer.ts';

async function release(env: Record<string, string>) {
  const process = startProcess({ script: 'db/migrate.ts', env });
  return { ...(await process.exit), output: process.stdout() + process.stderr() };
}

test('in session mode: everything runs, and a restart of it costs no command', async () => {
  const database = await createDatabase();
  const pgbouncer = await startPgBouncer(database.url, 'session');
  const installation = await createInstallation({
    databaseUrl: database.url,
    through: { databaseUrl: () => pgbouncer.url },
  });
  const daemon = installation.daemons.get('default') as StandIn;
  expect(await release(installation.env)).toMatchObject({ code: 0, output: 'Migrations are applied.\n' });
  const [web] = await Promise.all([installation.startWeb(), installation.startWorker()]);

  // Each in a pool of its own connections, so that every one of them has prepared its statements.
  const many = await Promise.all(
    Array.from({ length: 30 }, (_, at) => web.accept({ cmd: `config:set api POOL=${at}` })),
  );
  for (const { token } of many) expect(await web.final(token)).toMatchObject({ state: 'succeeded' });
  const { pathname } = new URL(pgbouncer.url);
  expect(await consult(installation.env, 'Postgres')).toMatch(new RegExp(`^ok Postgres \\d+\\S* at .*${pathname}$`));

  // The settings of our sessions are set in each, and are nobody else's.
  const limits = await query(
    database.url,
    `select count(*)::int as count from pg_stat_activity
    where datname = '${database.name}' and application_name = 'dokku-api'`,
  );
  expect(limits[0]?.count).toBeGreaterThan(2);
  const [stranger] = await query(pgbouncer.url, 'show statement_timeout');
  expect(stranger).toEqual({ statement_timeout: '0' });

  const hold = await daemon.hold(/RESTART=running/);
  const running = await web.accept({ cmd: 'config:set api RESTART=running' });
  const queued = await web.accept({ cmd: 'config:set api RESTART=queued' });
  await hold.held();
  await pgbouncer.stop();
  expect((await web.post('/commands', { cmd: 'apps:list' })).status).toBe(503);
  await hold.release();
  await pgbouncer.start();
  expect(await web.final(running.token)).toMatchObject({ state: 'succeeded' });
  expect(await web.final(queued.token)).toMatchObject({ state: 'succeeded' });
  for (const { command } of [running, queued]) expect(daemon.timesSent(command)).toBe(1);
});

test('in transaction mode: the release refuses it, before it takes its lock, and the doctor says what to do', async () => {
  const database = await createDatabase();
  const pgbouncer = await startPgBouncer(database.url, 'transaction');
  const installation = await createInstallation({
    databaseUrl: database.url,
    through: { databaseUrl: () => pgbouncer.url },
  });
  const shares =
    'connections share sessions of Postgres, as behind PgBouncer in transaction or statement mode, which is not supported';
  expect(await release(installation.env)).toEqual({
    code: 1,
    signal: null,
    output: `Migrating failed: ${shares}: set pool_mode = session there. Put that right, then run it again: it goes on where it stopped.\n`,
  });
  await expect(migrate(pgbouncer.url)).rejects.toThrow(shares);
  expect(await query(database.url, "select count(*)::int as locks from pg_locks where locktype = 'advisory'")).toEqual([
    { locks: 0 },
  ]);

  const said = await consult(installation.env, 'Postgres');
  const { username, host, pathname } = new URL(pgbouncer.url);
  const remedy =
    "sed -i 's/^pool_mode *=.*/pool_mode = session/' /etc/pgbouncer/pgbouncer.ini && systemctl restart pgbouncer";
  expect(said).toBe(`failed Postgres postgres://${username}@${host}${pathname}: ${shares} → ${remedy}`);

  // Set so under processes that run: they say what it is, accept or refuse, and none ends.
  const [web] = await Promise.all([installation.startWeb(), installation.startWorker()]);
  const statuses: number[] = [];
  const accepted: WireCommand[] = [];
  await waitFor(
    async () => {
      const posts = Array.from({ length: 10 }, () =>
        web.post('/commands', { cmd: `config:set api SHARED=${statuses.length}` }),
      );
      for (const response of await Promise.all(posts)) {
        statuses.push(response.status);
        if (response.status === 202) accepted.push((await response.json()) as WireCommand);
      }
      return web.process.entries().some(({ level, msg }) => level === 'warn' && msg === shares);
    },
    { describe: () => `the web process to say so; it answered ${statuses.join(' ')}` },
  );
  expect([...new Set(statuses)].toSorted()).toEqual([202, 503]);

  const [edit = '', restart] = remedy.split(' && ');
  expect(restart).toBe('systemctl restart pgbouncer');
  execFileSync('sh', ['-c', edit.replace('/etc/pgbouncer/pgbouncer.ini', pgbouncer.configurationPath)]);
  await pgbouncer.stop();
  await pgbouncer.start();
  expect(await consult(installation.env, 'Postgres')).toMatch(/^ok/);
  expect(await release(installation.env)).toMatchObject({ code: 0 });
  for (const { token } of accepted) expect(await web.final(token)).toMatchObject({ state: 'succeeded' });
  const last = await web.accept({ cmd: 'apps:list' });
  expect(await web.final(last.token)).toMatchObject({ state: 'succeeded' });
});
