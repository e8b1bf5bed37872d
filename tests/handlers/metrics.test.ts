import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createInstallation, type Installation, type Web } from '../support/installation.ts';
import { freePort, waitFor } from '../support/process.ts';
import { startProxy } from '../support/proxy.ts';
import type { StandIn } from '../support/stand-in.ts';

type Samples = Map<string, number>;

async function scrape(web: Web, headers: Record<string, string> = {}): Promise<Samples> {
  const response = await web.get('/metrics', headers);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  const samples: Samples = new Map();
  for (const line of (await response.text()).split('\n')) {
    const [, name, value] = /^([a-z0-9_]+(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
    if (name !== undefined) samples.set(name, Number(value));
    else expect(line).toMatch(/^(#.*)?$/);
  }
  return samples;
}

/** What is said serves for some seconds: looks until a scrape says what is expected. */
async function untilScraped(web: Web, expected: Record<string, number | undefined>): Promise<Samples> {
  let seen: Record<string, number | undefined> = {};
  return await waitFor(
    async () => {
      const samples = await scrape(web);
      seen = Object.fromEntries(Object.keys(expected).map((name) => [name, samples.get(name)]));
      expect(seen).toEqual(expected);
      return samples;
    },
    { timeout: 25_000, describe: () => `the metrics; last seen: ${JSON.stringify(seen)}` },
  );
}

function daemonOf(installation: Installation): StandIn {
  return installation.daemons.get('default') as StandIn;
}

test('servers and their queues, commands that end, leases and workers', async () => {
  const installation = await createInstallation({ servers: ['default', 'eu'] });
  const web = await installation.startWeb();
  const daemon = daemonOf(installation);
  await web.accept({ cmd: 'apps:list', server: 'eu' });
  await untilScraped(web, {
    'dokku_api_queue_length{server="default"}': 0,
    'dokku_api_queue_length{server="eu"}': 1,
    'dokku_api_queue_oldest_seconds{server="default"}': 0,
    'dokku_api_server_has_worker{server="eu"}': 0,
    'dokku_api_lease_changes_total{server="eu"}': 0,
    'dokku_api_commands_ended_total{server="eu",state="succeeded",reason=""}': 0,
    'dokku_api_commands_ended_total{server="eu",state="lost",reason="command_lost"}': 0,
    'dokku_api_deliveries_ended_total{state="dead"}': 0,
    dokku_api_live_workers: 0,
  });

  await installation.startWorker();
  const hold = await daemon.hold('ps:restart shop');
  const lost = await web.accept({ cmd: 'ps:restart shop', timeout: '1' });
  await hold.held();
  await web.final(lost.token);
  await web.accept({ cmd: 'apps:list' });
  const blocked = await untilScraped(web, {
    'dokku_api_queue_length{server="default"}': 1,
    'dokku_api_server_state{server="default",state="blocked"}': 1,
    'dokku_api_server_state{server="default",state="idle"}': 0,
    'dokku_api_server_state{server="eu",state="idle"}': 1,
    'dokku_api_server_has_worker{server="eu"}': 1,
    'dokku_api_lease_changes_total{server="eu"}': 1,
    'dokku_api_commands_ended_total{server="default",state="timed_out",reason="command_timed_out"}': 1,
    'dokku_api_commands_ended_total{server="eu",state="succeeded",reason=""}': 1,
    'dokku_api_command_run_seconds_count{server="default"}': 1,
    'dokku_api_command_run_seconds_bucket{le="0.5",server="default"}': 0,
    'dokku_api_command_wait_seconds_count{server="eu"}': 1,
    dokku_api_live_workers: 1,
    'dokku_api_dependency_up{dependency="postgres"}': 1,
    'dokku_api_dependency_up{dependency="redis"}': 1,
    'dokku_api_stream_unread_seconds{server="default"}': 0,
    'dokku_api_stream_malformed_entries_total{server="default"}': 0,
    'dokku_api_stream_malformed_entries_total{server="eu"}': 0,
  });
  expect(blocked.get('dokku_api_command_run_seconds_sum{server="default"}')).toBeGreaterThanOrEqual(1);
  expect(blocked.get('dokku_api_server_state_seconds{server="default"}')).toBeGreaterThan(0);
  expect(blocked.get('dokku_api_queue_oldest_seconds{server="default"}')).toBeGreaterThan(0);

  // The late result changes the command again, and it is not counted again.
  await hold.release();
  await untilScraped(web, {
    'dokku_api_commands_ended_total{server="default",state="timed_out",reason="command_timed_out"}': 1,
    'dokku_api_commands_ended_total{server="default",state="succeeded",reason=""}': 1,
    'dokku_api_server_state{server="default",state="idle"}': 1,
  });
});

test('a running command', async () => {
  const installation = await createInstallation();
  const web = await installation.startWeb();
  await installation.startWorker();
  const hold = await daemonOf(installation).hold('ps:restart shop');
  await web.accept({ cmd: 'ps:restart shop', timeout: '70' });
  await hold.held();
  const busy = await untilScraped(web, {
    'dokku_api_server_state{server="default",state="busy"}': 1,
    'dokku_api_running_command_timeout_seconds{server="default"}': 70,
  });
  expect(busy.get('dokku_api_running_command_seconds{server="default"}')).toBeGreaterThan(0);
  await hold.release();
});

test('callbacks on their way, attempts and ends', async () => {
  const receiver = createServer((incoming, outgoing) => {
    outgoing.writeHead(Number(incoming.url?.slice(1))).end();
  }).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  onTestFinished(() => void receiver.close());
  const { port } = receiver.address() as AddressInfo;
  const installation = await createInstallation({ env: { CALLBACK_ALLOW: '127.0.0.1' } });
  const web = await installation.startWeb();
  const worker = await installation.startWorker();
  await scrape(web);
  const urls = [
    `http://127.0.0.1:${await freePort()}`,
    ...[200, 410, 500].map((code) => `http://127.0.0.1:${port}/${code}`),
  ];
  for (const callback_url of urls) {
    const { token } = await web.accept({ cmd: 'apps:list', callback_url });
    await waitFor(
      async () => {
        const response = await web.get(`/commands/${token}/deliveries`);
        return ((await response.json()) as { attempts: unknown[] }).attempts.length > 0;
      },
      { describe: `the attempt at ${callback_url}` },
    );
  }
  // No second attempts.
  await worker.stop();
  await untilScraped(web, {
    'dokku_api_deliveries_pending{attempts="1"}': 2,
    'dokku_api_deliveries_pending{attempts="2"}': undefined,
    'dokku_api_callback_attempts_total{result="connection_refused"}': 1,
    'dokku_api_callback_attempts_total{result="2xx"}': 1,
    'dokku_api_callback_attempts_total{result="4xx"}': 1,
    'dokku_api_callback_attempts_total{result="5xx"}': 1,
    'dokku_api_deliveries_ended_total{state="delivered"}': 1,
    'dokku_api_deliveries_ended_total{state="dead"}': 1,
  });
  const overdue = (await scrape(web)).get('dokku_api_deliveries_overdue_seconds');
  expect(overdue).toBeGreaterThan(0);
}, 60_000);

test('the process itself: requests by pattern, pool, event loop, and what Redis did not take', async () => {
  const installation = await createInstallation();
  const web = await installation.startWeb();
  const { token } = await web.accept({ cmd: 'apps:list' });
  await web.get(`/commands/${token}`);
  await web.get(`/commands/${'0'.repeat(64)}`);
  await web.get('/no/such/path');
  const requests = (labels: string) => `dokku_api_http_request_duration_seconds_count{${labels}}`;
  const samples = await untilScraped(web, {
    [requests('method="POST",route="/commands",status="202"')]: 1,
    [requests('method="GET",route="/commands/:token",status="200"')]: 1,
    [requests('method="GET",route="/commands/:token",status="404"')]: 1,
    dokku_api_announcements_failed_total: 0,
    dokku_api_rate_limit_fallbacks_total: 0,
    dokku_api_database_pool_waiting: 0,
    dokku_api_commands_waited_for: 0,
    'dokku_api_build_info{version="1.0.0"}': 1,
  });
  expect([...samples.keys()].filter((name) => name.includes(token) || name.includes('no/such'))).toEqual([]);
  expect(samples.get('dokku_api_database_pool_connections{state="idle"}')).toBeGreaterThan(0);
  expect(samples.get('nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0);

  await installation.redis.kill('SIGKILL');
  for (const cmd of ['apps:list', 'ps:report']) await web.accept({ cmd });
  const away = await waitFor(
    async () => {
      const seen = await scrape(web);
      return seen.get('dokku_api_dependency_up{dependency="redis"}') === 0 ? seen : null;
    },
    { timeout: 15_000, describe: 'Redis to be missed' },
  );
  expect(away.get('dokku_api_announcements_failed_total')).toBeGreaterThanOrEqual(2);
  expect(away.get('dokku_api_rate_limit_fallbacks_total')).toBeGreaterThanOrEqual(1);
  expect(away.has('dokku_api_stream_unread_seconds{server="default"}')).toBe(false);
  expect(away.get('dokku_api_dependency_up{dependency="postgres"}')).toBe(1);
});

test('a look that Postgres does not answer says so in time, and says no number of before', async () => {
  const installation = await createInstallation();
  const proxy = await startProxy({ target: installation.databaseUrl });
  let mute = false;
  // Credentials are looked up as before; the look at the servers has no answer.
  proxy.onData('toTarget', (chunk) => {
    mute ||= chunk.includes('server_status');
    return mute && chunk.includes('server_status') ? 'swallow' : 'forward';
  });
  const web = await installation.startWeb({ DATABASE_URL: proxy.url(installation.databaseUrl) });
  const began = performance.now();
  const samples = await scrape(web);
  expect(performance.now() - began).toBeLessThan(9000);
  expect(samples.get('dokku_api_dependency_up{dependency="postgres"}')).toBe(0);
  expect(samples.has('dokku_api_live_workers')).toBe(false);
  expect(samples.has('dokku_api_queue_length{server="default"}')).toBe(false);
  await web.process.waitForLog(({ msg }) => msg === 'metrics are incomplete: Postgres or Redis could not answer');
});

test('who may read them', async () => {
  const installation = await createInstallation();
  const web = await installation.startWeb();
  const key = await installation.generateKey({ role: 'metrics' });
  const headers = { 'Api-Key': key.apiKey, 'Api-Secret': key.apiSecret };
  await scrape(web, headers);
  const basic = `Basic ${Buffer.from(`${key.apiKey}:${key.apiSecret}`).toString('base64')}`;
  expect((await fetch(`${web.url}/metrics`, { headers: { Authorization: basic } })).status).toBe(200);
  expect((await web.get('/commands', headers)).status).toBe(403);
  const run = await installation.generateKey({ role: 'run' });
  expect((await web.get('/metrics', { 'Api-Key': run.apiKey, 'Api-Secret': run.apiSecret })).status).toBe(403);
  expect((await fetch(`${web.url}/metrics`)).status).toBe(401);
});
