import { expect, test } from 'vitest';
import { version } from '../../lib/package.ts';
import { createInstallation } from '../support/installation.ts';
import { waitFor } from '../support/process.ts';
import { startProxy } from '../support/proxy.ts';

async function readyAs(url: string, expected: { code: number; body: Record<string, unknown> }): Promise<void> {
  let seen: unknown;
  await waitFor(
    async () => {
      const response = await fetch(`${url}/readyz`);
      seen = { code: response.status, body: await response.json() };
      expect(seen).toEqual(expected);
      return true;
    },
    { describe: () => `readiness; last seen: ${JSON.stringify(seen)}` },
  );
}

const workers = (state: string) => ({ default: state, eu: state });
const well = { version, status: 'ok', postgres: 'ok', migrations: 'ok', redis: 'ok', workers: workers('ok') };

test('ready, and as each dependency goes and comes back', async () => {
  const installation = await createInstallation({ servers: ['default', 'eu'], env: { LEASE_SECONDS: '1' } });
  const proxy = await startProxy({ target: installation.databaseUrl });
  const { url } = await installation.startWeb({ DATABASE_URL: proxy.url(installation.databaseUrl) });
  await readyAs(url, { code: 200, body: { ...well, status: 'degraded', workers: workers('degraded') } });
  const half = await installation.startWorker({ DOKKU_SERVERS: '' });
  await readyAs(url, { code: 200, body: { ...well, status: 'degraded', workers: { default: 'ok', eu: 'degraded' } } });
  const worker = await installation.startWorker();
  await readyAs(url, { code: 200, body: well });
  await half.stop();
  await readyAs(url, { code: 200, body: well });

  await installation.redis.kill('SIGKILL');
  await readyAs(url, { code: 200, body: { ...well, status: 'degraded', redis: 'degraded' } });
  await installation.redis.restart();
  await readyAs(url, { code: 200, body: well });

  const away = {
    ...well,
    status: 'unavailable',
    postgres: 'unavailable',
    migrations: 'unknown',
    workers: workers('unknown'),
  };
  proxy.hold();
  const began = performance.now();
  await readyAs(url, { code: 503, body: away });
  expect(performance.now() - began).toBeLessThan(6000);
  proxy.cut();
  proxy.resume();
  await readyAs(url, { code: 200, body: well });
  proxy.refuse();
  proxy.cut();
  await readyAs(url, { code: 503, body: away });
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  await proxy.allow();
  await readyAs(url, { code: 200, body: well });

  worker.signal('SIGKILL');
  await readyAs(url, { code: 200, body: { ...well, status: 'degraded', workers: workers('degraded') } });
});

test('pending migrations, and those of a newer version', async () => {
  const installation = await createInstallation();
  const { url } = await installation.startWeb();
  const { $client } = installation.database;
  await $client.query('ALTER TABLE dokku_api.migrations RENAME TO elsewhere');
  const body = {
    version,
    status: 'unavailable',
    postgres: 'ok',
    migrations: 'unavailable',
    redis: 'ok',
    workers: { default: 'unknown' },
  };
  await readyAs(url, { code: 503, body });
  await $client.query('ALTER TABLE dokku_api.elsewhere RENAME TO migrations');
  await $client.query(
    "INSERT INTO dokku_api.migrations (hash, created_at) SELECT 'of a later version', max(created_at) + 1 FROM dokku_api.migrations",
  );
  await readyAs(url, {
    code: 200,
    body: {
      version,
      status: 'degraded',
      postgres: 'ok',
      migrations: 'ok',
      redis: 'ok',
      workers: { default: 'degraded' },
    },
  });
});

test('probes are open to all, and nothing keeps their answers', async () => {
  const installation = await createInstallation();
  const { url } = await installation.startWeb();
  for (const path of ['/healthz', '/readyz']) {
    const response = await fetch(url + path, { headers: { 'Api-Key': 'wrong', 'Api-Secret': 'wrong' } });
    expect(response.status).toBe(200);
  }
  expect((await fetch(`${url}/readyz`)).headers.get('cache-control')).toBe('no-store');
  expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ status: 'ok', version });
});
