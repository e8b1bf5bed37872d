import { expect, test } from 'vitest';
import { createInstallation } from '../support/installation.ts';
import { waitFor } from '../support/process.ts';
import type { StandIn } from '../support/stand-in.ts';

const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/;

type WireServer = {
  server: string;
  state: string;
  since: string | null;
  queue_length: number;
  oldest_queued_seconds: number | null;
  running_command: { token: string } | null;
  blocked_by: string | null;
  worker: { id: string; host: string; version: string } | null;
};

/** Two servers, the web process, and what GET /servers says to a key. */
async function startScene(options: { worker?: Record<string, string> } = {}) {
  const installation = await createInstallation({ servers: ['default', 'eu'], env: { LEASE_SECONDS: '2' } });
  const web = await installation.startWeb();
  const worker = options.worker && (await installation.startWorker(options.worker));
  const daemon = installation.daemons.get('default') as StandIn;
  const serversFor = async (key?: { apiKey: string; apiSecret: string }): Promise<WireServer[]> => {
    const response = await web.get('/servers', key && { 'Api-Key': key.apiKey, 'Api-Secret': key.apiSecret });
    expect(response.status).toBe(200);
    return (await response.json()) as WireServer[];
  };
  const untilState = (state: string) =>
    waitFor(async () => (await serversFor()).find((server) => server.server === 'default' && server.state === state), {
      describe: `the server to be ${state}`,
    });
  return { installation, web, worker, daemon, serversFor, untilState };
}

test('servers that no worker has ever had', async () => {
  const { web, serversFor } = await startScene();
  await web.accept({ cmd: 'apps:list', server: 'eu' });
  await web.accept({ cmd: 'apps:list', server: 'eu' });
  const nothing = { state: 'idle', since: null, running_command: null, blocked_by: null, worker: null };
  expect(await serversFor()).toEqual([
    { server: 'default', ...nothing, queue_length: 0, oldest_queued_seconds: null },
    { server: 'eu', ...nothing, queue_length: 2, oldest_queued_seconds: expect.any(Number) },
  ]);
});

test('idle, busy with a queue, blocked, unreachable, and back', async () => {
  const { installation, web, worker, daemon, serversFor, untilState } = await startScene({ worker: {} });
  const owned = await installation.generateKey({ owner: 'somebody-else', role: 'read' });

  const first = await web.accept({ cmd: 'apps:list' });
  await web.final(first.token);
  expect(await untilState('idle')).toMatchObject({
    since: expect.stringMatching(time),
    queue_length: 0,
    oldest_queued_seconds: null,
    running_command: null,
    worker: { id: expect.any(String), host: expect.any(String), version: '1.0.0' },
  });

  const hold = await daemon.hold('ps:restart shop');
  const { token } = await web.accept({ cmd: 'ps:restart shop', timeout: '3' });
  await hold.held();
  const next = await web.accept({ cmd: 'apps:list' });
  const busy = await untilState('busy');
  expect(busy).toMatchObject({
    since: expect.stringMatching(time),
    queue_length: 1,
    running_command: { token, command: 'ps:restart shop', timeout: 3, started_at: expect.stringMatching(time) },
  });
  expect(busy.oldest_queued_seconds).toBeGreaterThanOrEqual(0);
  expect((await serversFor(owned))[0]).toMatchObject({ state: 'busy', queue_length: 1, running_command: null });

  const blocked = await untilState('blocked');
  expect(blocked).toMatchObject({ queue_length: 1, running_command: null, blocked_by: token });
  expect((await serversFor(owned))[0]).toMatchObject({ state: 'blocked', blocked_by: null });
  expect((await serversFor())[1]).toMatchObject({ server: 'eu', state: 'idle' });

  await hold.release();
  await web.final(next.token);
  await daemon.setListener('absent');
  expect(await untilState('unreachable')).toMatchObject({ since: expect.stringMatching(time), blocked_by: null });
  await daemon.setListener('listening');
  await untilState('idle');

  worker?.signal('SIGKILL');
  await waitFor(async () => (await serversFor())[0]?.worker === null, { describe: 'the worker to be missed' });
});

test('a key sees the servers that it may use, and needs the permission to read', async () => {
  const { installation, web, serversFor } = await startScene();
  const bound = await installation.generateKey({ role: 'run', servers: ['eu', 'elsewhere'] });
  expect((await serversFor(bound)).map(({ server }) => server)).toEqual(['eu']);
  const metrics = await installation.generateKey({ role: 'metrics' });
  const refused = await web.get('/servers', { 'Api-Key': metrics.apiKey, 'Api-Secret': metrics.apiSecret });
  expect(refused.status).toBe(403);
  expect(await refused.json()).toMatchObject({ code: 'role_not_allowed' });
});
