/** The rows of *Endpoints* that are for operators and machines. */
import { expect } from 'vitest';
import { version } from '../../lib/package.ts';
import { waitFor } from '../support/process.ts';
import { send } from '../support/send.ts';
import type { Walks } from './walk.ts';

const json = 'application/json';

export const operatorWalks: Walks = {
  '`GET /servers`': async (check, scene) => {
    type Servers = { server: string; state: string; running_command: { token: string } | null }[];
    const read = async (headers = {}) => {
      const answer = await scene.send('GET', '/servers', { headers });
      check.status(answer, 200);
      check.headers(answer, { 'content-type': json, 'cache-control': 'no-store' });
      return JSON.parse(answer.body) as Servers;
    };
    const seen = (servers: Servers) => servers.map(({ server }) => server);
    check.body(seen(await read()), ['default', 'eu']);
    check.body(seen(await read(await scene.credentials({ servers: ['eu'] }))), ['eu']);

    const hold = await scene.daemon.hold('ps:report busy');
    const posted = await scene.post('/commands', { cmd: 'ps:report busy' });
    const { token } = JSON.parse(posted.body) as { token: string };
    await hold.held();
    await scene.post('/commands', { cmd: 'apps:list' });
    const [busy] = await read();
    check.body(busy, {
      server: 'default',
      state: 'busy',
      since: expect.any(String),
      queue_length: 1,
      oldest_queued_seconds: expect.any(Number),
      running_command: { token, command: 'ps:report busy' },
      worker: { id: expect.any(String), host: expect.any(String), version },
    });
    const others = await scene.credentials({ owner: 'other' });
    check.body((await read(others))[0]?.running_command, null);
    await hold.release();
    await scene.web.final(token);
    await waitFor(async () => (await read())[0]?.state === 'idle', { describe: 'the server to be idle' });
    await scene.daemon.setListener('absent');
    await waitFor(async () => (await read())[0]?.state === 'unreachable', { timeout: 20_000, describe: 'unreachable' });
    await scene.daemon.setListener('listening');
    await waitFor(async () => (await read())[0]?.state === 'idle', { timeout: 20_000, describe: 'idle again' });
  },

  '`GET /healthz`': async (check, scene) => {
    const { web, postgres, redis } = scene.frail;
    for (const proxy of [postgres, redis]) {
      proxy.hold();
      proxy.cut();
    }
    const from = performance.now();
    const answer = await send(web.url, { path: '/healthz' });
    expect(performance.now() - from).toBeLessThan(500);
    for (const proxy of [postgres, redis]) proxy.resume();
    check.status(answer, 200);
    check.headers(answer, { 'content-type': json, 'x-request-id': /./ });
    check.body(JSON.parse(answer.body), { status: 'ok', version });
  },

  '`GET /readyz`': async (check, scene) => {
    const { web, postgres, redis } = scene.frail;
    const ask = async () => {
      const answer = await send(web.url, { path: '/readyz' });
      return { ...answer, found: JSON.parse(answer.body) as Record<string, unknown> };
    };
    const until = (status: string) =>
      waitFor(
        async () => {
          const answer = await ask();
          return answer.found.status === status && answer;
        },
        { describe: `readiness to be ${status}` },
      );
    const ready = await until('ok');
    check.status(ready, 200);
    check.headers(ready, { 'content-type': json });
    check.body(ready.found, {
      postgres: 'ok',
      migrations: 'ok',
      redis: 'ok',
      workers: { default: 'ok', eu: 'ok' },
    });
    redis.refuse();
    redis.cut();
    const degraded = await until('degraded');
    check.status(degraded, 200);
    check.body(degraded.found, { postgres: 'ok', redis: 'degraded' });
    postgres.refuse();
    postgres.cut();
    const unavailable = await until('unavailable');
    check.status(unavailable, 503);
    check.body(unavailable.found, { postgres: 'unavailable' });
    await postgres.allow();
    await redis.allow();
    const without = await scene.installation.startWeb({
      DOKKU_SERVERS: `${scene.installation.env.DOKKU_SERVERS},us=/run/us.sock`,
    });
    const missing = await send(without.url, { path: '/readyz' });
    check.status(missing, 200);
    check.body(JSON.parse(missing.body), { status: 'degraded', workers: { us: 'degraded' } });
    await without.process.stop();
  },

  '`GET /metrics`': async (check, scene) => {
    const answer = await scene.send('GET', '/metrics', { headers: await scene.credentials({ role: 'metrics' }) });
    check.status(answer, 200);
    check.headers(answer, { 'content-type': /^text\/plain; version=0\.0\.4/ });
    check.body(answer.body, expect.stringMatching(/^# HELP \w+ .+\n# TYPE \w+ (gauge|counter|histogram|summary)\n/m));
    check.body(answer.body, expect.stringMatching(/^dokku_api_\w+(\{[^}]*\})? [0-9.e+-]+$/m));
    for (const role of ['read', 'run'] as const) {
      check.status(await scene.send('GET', '/metrics', { headers: await scene.credentials({ role }) }), 403);
    }
  },

  '`GET /openapi.json`, `GET /docs`': async (check, scene) => {
    const document = await send(scene.web.url, { path: '/openapi.json' });
    check.status(document, 200);
    check.headers(document, { 'content-type': json });
    check.body(JSON.parse(document.body), { openapi: expect.stringMatching(/^3\.1\.\d$/), info: { version } });
    const page = await send(scene.web.url, { path: '/docs' });
    check.status(page, 200);
    check.headers(page, { 'content-type': /^text\/html/, 'content-security-policy': /default-src 'none'/ });
    check.body(page.body, expect.stringContaining('POST'));
    expect(page.body).not.toMatch(/(src|href|url)\s*[=(]\s*["']?(https?:)?\/\//i);
  },

  '`/console`': async (check, scene) => {
    const answer = await send(scene.web.url, { path: '/console' });
    check.status(answer, 401);
    check.headers(answer, { 'content-type': /^text\/html/, 'content-security-policy': /default-src 'none'/ });
    const signIn = await send(scene.web.url, { path: '/console/sign-in' });
    check.status(signIn, 200);
    for (const { body } of [answer, signIn]) {
      check.body(body, expect.stringMatching(/<form[^>]* method="post"/i));
      expect(body).not.toMatch(/(src|href)="(https?:)?\/\//i);
    }
  },
};
