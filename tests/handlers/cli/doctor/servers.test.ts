import { randomBytes } from 'node:crypto';
import { eq, sql } from 'drizzle-orm';
import { Redis } from 'ioredis';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { createAccept } from '../../../../db/accept.ts';
import { commands, leases, workers } from '../../../../db/schema.ts';
import { createServerStatuses } from '../../../../db/server-status.ts';
import { remediesFor } from '../../../../handlers/cli/doctor/remedies.ts';
import { checkQueue } from '../../../../handlers/cli/doctor/servers.ts';
import { streamKey } from '../../../../lib/wakeups.ts';
import { createInstallation, type Installation } from '../../../support/installation.ts';
import { newCommand } from '../../../support/new-command.ts';
import { type TestProcess, waitFor } from '../../../support/process.ts';
import type { StandIn } from '../../../support/stand-in.ts';
import { problems, remedyIn, untilClean } from './patient.ts';

const lock =
  'fuser -v /var/lock/dokku-daemon/dokku-daemon.lock (on the Dokku host; it names the process: wait for it, or end it)';
let installation: Installation;
let daemon: StandIn;
let worker: TestProcess;

beforeAll(async () => {
  installation = await createInstallation({ env: { LEASE_SECONDS: '2' } });
  daemon = installation.daemons.get('default') as StandIn;
  worker = await installation.startWorker();
});

beforeEach(async () => await untilClean(installation.env));

async function queue(changes = {}): Promise<string> {
  const { row } = await createAccept(installation.database)(newCommand(changes), null);
  return row.token;
}

async function untilFinal(token: string): Promise<void> {
  await waitFor(
    async () => {
      const [row] = await installation.database.select().from(commands).where(eq(commands.token, token));
      return row?.ranAt;
    },
    { describe: `command ${token} to be final` },
  );
}

function withoutTimes(problem: string | undefined): string | undefined {
  return problem?.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/, 'TIME').replace(/\b\d+ s\b/g, 'N s');
}

test('no worker, and one that was killed', async () => {
  worker.signal('SIGKILL');
  await worker.exit;
  let found: string[] = [];
  await waitFor(
    async () => {
      found = await problems(installation.env);
      return found.some((problem) => problem.startsWith('failed worker'));
    },
    { describe: 'the worker to be missed' },
  );
  const skipped = ['server', 'stream of', 'queue of'].map((what) => `skipped ${what} default: no live worker has it`);
  expect(found.map(withoutTimes)).toEqual([
    expect.stringMatching(/^failed worker: the last one, on \S+, gave no sign of life for N s → npm run -s worker$/),
    ...skipped,
  ]);

  await installation.database.delete(workers);
  expect(await problems(installation.env)).toEqual(['failed worker: none runs → npm run -s worker', ...skipped]);
  expect(remedyIn((await problems(installation.env, 'dokku'))[0])).toBe('dokku ps:scale dokku-api worker=1');
  expect(remedyIn((await problems(installation.env, 'npm start'))[0])).toBe('npm start');
  worker = await installation.startWorker();
  await untilClean(installation.env);
});

test('a queue whose worker was killed, and that another has not taken yet', async () => {
  const [status] = await createServerStatuses(installation.database).of(['default'], 60);
  if (status === undefined) throw new Error('the server has no status');
  const stuck = { ...status, state: 'idle' as const, queued: 2, oldestQueuedMs: 9000, isStuck: true };
  const options = { leaseSeconds: 10, remedies: remediesFor('host') };
  expect(checkQueue({ ...stuck, worker: null }, options)).toEqual({
    check: 'queue of default',
    status: 'warning',
    says: '2 wait: the worker that had the server is gone, and another takes it within 20 s',
    remedy: 'npm run -s doctor (once more then; where it stays so, npm run -s worker (stop the one that runs first))',
  });
  const worker = { id: 'worker', host: 'host', version: '1.0.0' };
  expect(checkQueue({ ...stuck, worker }, options)).toMatchObject({
    status: 'failed',
    remedy: options.remedies.restartWorker,
  });
});

test('a server that no worker has', async () => {
  const changed = { ...installation.env, DOKKU_SERVERS: `eu=${daemon.socketPath}` };
  expect(await problems(changed)).toEqual([
    `failed worker: none has eu configured → DOKKU_SERVERS=eu=${daemon.socketPath} npm run -s worker`,
    ...['server', 'stream of', 'queue of'].map((what) => `skipped ${what} eu: no live worker has it`),
  ]);
  expect(remedyIn((await problems(changed, 'dokku'))[0])).toBe('dokku ps:restart dokku-api worker');
  const second = await installation.startWorker({ DOKKU_SERVERS: `eu=${daemon.socketPath}` });
  await untilClean(changed);
  await second.stop();
});

test('commands for a server that is configured nowhere', async () => {
  const token = await queue({ server: 'gone' });
  const remedy = `export DOKKU_SERVERS=gone=/path/of/dokku-daemon.sock`;
  expect(await problems(installation.env)).toEqual([
    `warning queue of gone: commands wait for a server that is not configured: they fail within a minute, as server_removed → ${remedy}`,
  ]);
  const second = await installation.startWorker({ DOKKU_SERVERS: `gone=${daemon.socketPath}` });
  await untilFinal(token);
  await second.stop();
});

test('a server that is busy with a command of ours', async () => {
  const hold = await daemon.hold('ps:restart shop');
  const token = await queue({ command: 'ps:restart shop' });
  await hold.held();
  expect(await problems(installation.env)).toEqual([]);
  await hold.release();
  await untilFinal(token);
});

test('a server that is blocked', async () => {
  const hold = await daemon.hold('ps:restart shop');
  const token = await queue({ command: 'ps:restart shop', timeoutSeconds: 1 });
  await hold.held();
  await untilFinal(token);
  const next = await queue();
  expect((await problems(installation.env)).map(withoutTimes)).toEqual([
    `failed server default: blocked since TIME: Dokku may still be busy with command ${token} → ${lock}`,
    'skipped queue of default: 1 waits: the server is blocked',
  ]);
  await hold.release();
  await untilFinal(next);
});

test('a daemon that only the worker does not reach', async () => {
  await worker.stop();
  worker = await installation.startWorker({ DOKKU_DAEMON_SOCKET: '/no/such/daemon.sock' });
  let found: string[] = [];
  await waitFor(
    async () => {
      found = await problems(installation.env);
      return found.some((problem) => problem.startsWith('failed server'));
    },
    { describe: 'the server to be out of reach' },
  );
  expect(found.map(withoutTimes)).toEqual([
    expect.stringMatching(
      /^failed server default: out of reach of the worker on \S+ since TIME, though not from here → npm run -s worker \(stop the one that runs first\)$/,
    ),
  ]);
  await worker.stop();
  worker = await installation.startWorker();
  await untilClean(installation.env);
});

test('a daemon that nobody reaches', async () => {
  await daemon.setListener('absent');
  await waitFor(async () => (await problems(installation.env)).some((problem) => problem.includes('server default')), {
    describe: 'the worker to notice',
  });
  expect(await problems(installation.env)).toEqual([
    expect.stringMatching(/^failed socket of default: /),
    'skipped server default: the socket of default is not usable',
  ]);
  await daemon.setListener('listening');
  await untilClean(installation.env);
});

test('a worker that lives and runs nothing', async () => {
  await worker.stop();
  const hung = randomBytes(8).toString('hex');
  const { database } = installation;
  await database.insert(workers).values({
    id: hung,
    servers: ['default'],
    host: 'somewhere',
    version: '1.0.0',
    beatAt: sql`now() + interval '1 hour'`,
  });
  await database.update(leases).set({ owner: hung });
  const token = await queue();
  expect((await problems(installation.env)).map(withoutTimes)).toEqual([
    'failed queue of default: 1 waits, the first for N s, and nothing runs → npm run -s worker (stop the one that runs first)',
  ]);
  await database.delete(workers).where(eq(workers.id, hung));
  worker = await installation.startWorker();
  await untilFinal(token);
});

test('a command that runs far beyond its time', async () => {
  const hold = await daemon.hold('ps:restart shop');
  const token = await queue({ command: 'ps:restart shop', timeoutSeconds: 60 });
  await hold.held();
  await installation.database
    .update(commands)
    .set({ startedAt: sql`now() - interval '10 minutes'` })
    .where(eq(commands.token, token));
  expect((await problems(installation.env)).map(withoutTimes)).toEqual([
    `failed queue of default: command ${token} runs for N s, and may for N s → npm run -s worker (stop the one that runs first)`,
  ]);
  await hold.release();
  await untilFinal(token);
});

test('a stream that is not read, and one without its group', async () => {
  const redis = new Redis(installation.redis.url);
  worker.signal('SIGSTOP');
  try {
    await redis.del(streamKey('default'));
    expect(await problems(installation.env)).toEqual([]);
    await redis.xgroup('CREATE', streamKey('default'), 'workers', '$', 'MKSTREAM');
    await redis.xadd(streamKey('default'), '1000-0', 'token', 'none');
    expect((await problems(installation.env)).map(withoutTimes)).toEqual([
      'warning stream of default: unread for N s; commands run all the same, each up to N s later → npm run -s worker (stop the one that runs first)',
    ]);
  } finally {
    worker.signal('SIGCONT');
    redis.disconnect();
  }
  await untilClean(installation.env);
});
