import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { beforeAll, describe, expect, test } from 'vitest';
import type { WireCommand } from '../../lib/command.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { startProxy } from '../support/proxy.ts';
import { startTestRedis, type TestRedis } from '../support/redis.ts';
import { type ClientKey, startWeb, type Web } from './web.ts';

let database: TestDatabase;
let redis: TestRedis;
let web: Web;
let key: ClientKey;

beforeAll(async () => {
  [database, redis] = await Promise.all([createDatabase(), startTestRedis()]);
  web = await startWeb({
    databaseUrl: database.url,
    redisUrl: redis.url,
    settings: { RATE_LIMIT: '100000', DOKKU_SERVERS: 'eu=/run/eu.sock' },
  });
  key = await web.key();
});

type Options = { as?: ClientKey; headers?: Record<string, string>; body?: string; from?: Web };

async function call(method: string, path: string, { as = key, headers, body, from = web }: Options = {}) {
  const response = await fetch(from.url + path, {
    method,
    headers: {
      ...as.headers,
      ...(body === undefined ? {} : { 'Content-Type': 'application/x-www-form-urlencoded' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body }),
  });
  const value = (await response.json()) as WireCommand & { code?: string };
  return { status: response.status, headers: response.headers, body: value };
}

const post = async (cmd: string, options: Options = {}) =>
  (await call('POST', '/commands', { ...options, body: `cmd=${cmd}&callback_url=https://example.com/done&timeout=9` }))
    .body;

describe('a retry', () => {
  test('is a new command like the old one, once that is final', async () => {
    const old = await post('apps:list');
    expect(await call('POST', `/commands/${old.token}/retry`)).toMatchObject({
      status: 409,
      body: { code: 'not_final' },
    });
    await web.runOldest({ output: 'x', ok: false });
    const { status, headers, body } = await call('POST', `/commands/${old.token}/retry`);
    expect(status).toBe(202);
    expect(headers.get('location')).toBe(`/commands/${body.token}`);
    expect(headers.get('deprecation')).toBeNull();
    expect(body).toMatchObject({
      command: 'apps:list',
      callback_url: 'https://example.com/done',
      timeout: 9,
      state: 'queued',
      retry_of: old.token,
    });
    expect(body.token).not.toBe(old.token);
    await web.runOldest({ output: '' });
  });

  test('by GET makes one command at a time, and says that it is deprecated', async () => {
    const old = await post('apps:list');
    await web.runOldest({ output: 'x' });
    const answers = await Promise.all(Array.from({ length: 10 }, () => call('GET', `/commands/${old.token}/retry`)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
    expect(new Set(answers.map(({ body }) => body.token)).size).toBe(1);
    for (const { headers } of answers) {
      expect(headers.get('deprecation')).toMatch(/^@\d+$/);
      expect(headers.get('idempotent-replayed')).toBeNull();
    }
    const byPost = await call('POST', `/commands/${old.token}/retry`);
    expect(byPost.body.token).not.toBe(answers[0]?.body.token);
    for (let at = 0; at < 2; at++) await web.runOldest({ output: '' });
    const next = await call('GET', `/commands/${old.token}/retry`);
    expect(next.body.token).not.toBe(answers[0]?.body.token);
    await web.runOldest({ output: '' });
  });

  test('is checked as a new command of the key that asks for it', async () => {
    const trusted = await web.key({ allowRedirects: true });
    const redirect = await post('apps:list+%3E+/tmp/x', { as: trusted });
    const onEu = (await call('POST', '/commands', { body: 'cmd=apps:list&server=eu' })).body;
    await web.runOldest({ output: 'x' });
    await web.runOldest({ output: 'x' }, 'eu');
    for (const method of ['GET', 'POST']) {
      expect(await call(method, `/commands/${redirect.token}/retry`)).toMatchObject({ status: 422 });
      const home = await web.key({ servers: ['default'] });
      expect(await call(method, `/commands/${onEu.token}/retry`, { as: home })).toMatchObject({
        status: 403,
        body: { code: 'server_not_allowed' },
      });
      const ruled = await web.key({ rules: ['ps:report'] });
      expect(await call(method, `/commands/${onEu.token}/retry`, { as: ruled })).toMatchObject({
        status: 403,
        body: { code: 'command_not_allowed' },
      });
      const reader = await web.key({ role: 'read' });
      expect(await call(method, `/commands/${onEu.token}/retry`, { as: reader })).toMatchObject({
        status: 403,
        body: { code: 'role_not_allowed' },
      });
      const other = await web.key({ owner: 'other' });
      expect(await call(method, `/commands/${onEu.token}/retry`, { as: other })).toMatchObject({ status: 404 });
    }
  });
});

describe('a cancel', () => {
  test('takes a queued command out of the queue, and no other', async () => {
    const queued = await post('apps:list');
    const { status, body } = await call('DELETE', `/commands/${queued.token}`);
    expect([status, body]).toEqual([
      200,
      expect.objectContaining({
        state: 'canceled',
        reason: 'command_canceled',
        result_data: { ok: false, output: 'command_canceled' },
      }),
    ]);
    expect(await call('DELETE', `/commands/${queued.token}`)).toMatchObject({
      status: 409,
      body: { code: 'already_final' },
    });
    const running = await post('apps:list');
    const claimed = await web.claimOldest();
    expect(await call('DELETE', `/commands/${running.token}`)).toMatchObject({
      status: 409,
      body: { code: 'already_running' },
    });
    await web.finish(claimed, { output: '' });
  });

  test('that races a claim has one winner', async () => {
    for (let round = 0; round < 10; round++) {
      const { token } = await post('apps:list');
      const [canceled, claimed] = await Promise.all([
        call('DELETE', `/commands/${token}`),
        web.claimOldest().catch(() => null),
      ]);
      expect([canceled.status, claimed !== null]).toEqual(canceled.status === 200 ? [200, false] : [409, true]);
      if (claimed !== null) await web.finish(claimed, { output: '' });
    }
  });

  test('needs the server and the permission', async () => {
    const onEu = (await call('POST', '/commands', { body: 'cmd=apps:list&server=eu' })).body;
    expect(
      await call('DELETE', `/commands/${onEu.token}`, { as: await web.key({ servers: ['default'] }) }),
    ).toMatchObject({ status: 403, body: { code: 'server_not_allowed' } });
    expect(await call('DELETE', `/commands/${onEu.token}`, { as: await web.key({ role: 'read' }) })).toMatchObject({
      status: 403,
      body: { code: 'role_not_allowed' },
    });
    expect(await call('DELETE', `/commands/${onEu.token}`, { as: await web.key({ owner: 'other' }) })).toMatchObject({
      status: 404,
    });
    await web.runOldest({ output: '' }, 'eu');
  });
});

describe('deliveries', () => {
  test('are read with their attempts, and sent again', async () => {
    const { token } = await post('apps:list');
    const path = `/commands/${token}/deliveries`;
    expect((await call('GET', path)).body).toEqual({
      webhook_id: null,
      state: null,
      next_attempt_at: null,
      attempts: [],
    });
    expect(await call('POST', path)).toMatchObject({ status: 409, body: { code: 'not_final' } });
    await web.runOldest({ output: 'x' });
    const due = (await web.deps.deliveries.takeDue(1000, 1000, [])).find(({ command }) => command.token === token);
    if (!due) throw new Error('no delivery was due');
    await web.deps.deliveries.recordAttempt(due.delivery, {
      status: 500,
      error: null,
      durationMs: 12,
      state: 'dead',
      nextAfterMs: null,
    });
    const dead = await call('GET', path);
    expect([dead.status, dead.body]).toEqual([
      200,
      {
        webhook_id: due.delivery.webhookId,
        state: 'dead',
        next_attempt_at: null,
        attempts: [{ number: 1, at: expect.stringMatching(/\+00:00$/), status: 500, error: null, duration_ms: 12 }],
      },
    ]);
    const again = await call('POST', path);
    expect([again.status, again.body]).toEqual([
      202,
      expect.objectContaining({
        webhook_id: due.delivery.webhookId,
        state: 'pending',
        next_attempt_at: expect.any(String),
      }),
    ]);
    expect(await call('POST', path, { as: await web.key({ owner: 'other' }) })).toMatchObject({ status: 404 });
    expect(await call('POST', path, { as: await web.key({ role: 'read' }) })).toMatchObject({ status: 403 });
  });

  test('of a command without a callback are none', async () => {
    const { token } = (await call('POST', '/commands', { body: 'cmd=apps:list' })).body;
    await web.runOldest({ output: 'x' });
    expect((await call('GET', `/commands/${token}/deliveries`)).body).toMatchObject({ state: null, attempts: [] });
    expect(await call('POST', `/commands/${token}/deliveries`)).toMatchObject({
      status: 404,
      body: { code: 'not_found' },
    });
  });
});

describe('with an Idempotency-Key', () => {
  const count = async () => {
    const { rows } = await web.deps.database.execute<{ count: number }>(
      sql`select count(*)::int as count from dokku_api.commands`,
    );
    return rows[0]?.count;
  };

  test('ten requests at once over two web processes make one command', async () => {
    const second = await startWeb({ databaseUrl: database.url, redisUrl: redis.url });
    const headers = { 'Idempotency-Key': randomUUID() };
    const before = (await count()) ?? 0;
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, at) =>
        call('POST', '/commands', { headers, body: 'cmd=apps:list', from: at % 2 === 0 ? web : second }),
      ),
    );
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.token}`)).size).toBe(1);
    expect(answers.filter(({ headers }) => headers.get('idempotent-replayed') === null)).toHaveLength(1);
    expect(await count()).toBe(before + 1);
    await web.runOldest({ output: 'once' });
    const later = await call('POST', '/commands', { headers, body: 'cmd=apps:list' });
    expect(later).toMatchObject({ status: 202, body: { state: 'succeeded' } });
    expect(later.headers.get('idempotent-replayed')).toBe('true');
    await second.stop();
  });

  test('the same fields in another form are the same, and sync does not count', async () => {
    const headers = { 'Idempotency-Key': randomUUID() };
    const first = await call('POST', '/commands', { headers, body: 'cmd=+apps:list+&callback_url=&x=1' });
    await web.runOldest({ output: 'x' });
    const same = await call('POST', '/commands?cmd=apps:list&sync=true', { headers });
    expect([same.status, same.body.token, same.headers.get('idempotent-replayed')]).toEqual([
      200,
      first.body.token,
      'true',
    ]);
  });

  test('another request is refused, and another key has its own', async () => {
    const headers = { 'Idempotency-Key': randomUUID() };
    const { token } = (await call('POST', '/commands', { headers, body: 'cmd=apps:list' })).body;
    await web.runOldest({ output: 'x' });
    const reused = { status: 422, body: { code: 'idempotency_key_reused' } };
    expect(await call('POST', '/commands', { headers, body: 'cmd=apps:report' })).toMatchObject(reused);
    expect(await call('POST', '/commands', { headers, body: 'cmd=apps:list&timeout=5' })).toMatchObject(reused);
    expect(await call('POST', `/commands/${token}/retry`, { headers })).toMatchObject(reused);
    const other = await call('POST', '/commands', { headers, body: 'cmd=apps:report', as: await web.key() });
    expect([other.status, other.headers.get('idempotent-replayed')]).toEqual([202, null]);
    await web.runOldest({ output: 'x' });
  });

  test('what was refused is not remembered', async () => {
    const headers = { 'Idempotency-Key': randomUUID() };
    expect((await call('POST', '/commands', { headers, body: 'cmd=' })).status).toBe(422);
    expect((await call('POST', '/commands', { headers, body: 'cmd=apps:list' })).status).toBe(202);
    await web.runOldest({ output: 'x' });
  });

  test.each(['', 'a b', 'x'.repeat(256), 'é'])('%.10j is refused', async (value) => {
    const refused = await call('POST', '/commands', { headers: { 'Idempotency-Key': value }, body: 'cmd=apps:list' });
    expect(refused).toMatchObject({
      status: 422,
      body: { code: 'invalid_parameters', errors: [{ field: 'Idempotency-Key' }] },
    });
  });

  test('a retry happens once, and so does a callback sent again', async () => {
    const { token } = await post('apps:list');
    await web.runOldest({ output: 'x' });
    const headers = { 'Idempotency-Key': randomUUID() };
    const retries = [
      await call('POST', `/commands/${token}/retry`, { headers }),
      await call('POST', `/commands/${token}/retry`, { headers }),
    ];
    expect(retries[0]?.body.token).toBe(retries[1]?.body.token);
    expect(retries.map(({ headers }) => headers.get('idempotent-replayed'))).toEqual([null, 'true']);
    await web.runOldest({ output: 'x' });

    const resend = { 'Idempotency-Key': randomUUID() };
    const path = `/commands/${token}/deliveries`;
    const sent = await Promise.all(Array.from({ length: 5 }, () => call('POST', path, { headers: resend })));
    expect(sent.map(({ status }) => status)).toEqual([202, 202, 202, 202, 202]);
    expect(sent.filter(({ headers }) => headers.get('idempotent-replayed') === null)).toHaveLength(1);
    expect(await call('POST', `/commands/${token}/retry`, { headers: resend })).toMatchObject({
      status: 422,
      body: { code: 'idempotency_key_reused' },
    });
  });
});

describe('where Postgres goes away with a change under way', () => {
  /** A web process whose connection is cut once behind a statement that has these bytes. */
  async function cutAt(marks: string[], options: { refuse: boolean }) {
    const proxy = await startProxy({ target: database.url });
    const from = await startWeb({ databaseUrl: proxy.url(database.url), redisUrl: redis.url });
    const off = proxy.onData('toTarget', (chunk) => {
      if (!marks.some((mark) => chunk.includes(mark))) return 'forward';
      if (!options.refuse) off();
      if (options.refuse) proxy.refuse();
      return 'forward-and-cut';
    });
    return { from, allow: () => proxy.allow() };
  }

  test('a command is stored once, by a second try of its own', async () => {
    const { from } = await cutAt(['doubt:once'], { refuse: false });
    const { status, body } = await call('POST', '/commands', { body: 'cmd=doubt:once', from });
    expect(status).toBe(202);
    const { rows } = await web.deps.database.execute<{ token: string }>(
      sql`select token from dokku_api.commands where command = 'doubt:once'`,
    );
    expect(rows).toEqual([{ token: body.token }]);
    await from.stop();
  });

  test('and stays away, the answer says where to look', async () => {
    const { from, allow } = await cutAt(['doubt:full'], { refuse: true });
    const answer = await call('POST', '/commands', { body: 'cmd=doubt:full', from });
    expect([answer.status, answer.body.code]).toEqual([503, 'outcome_unknown']);
    await allow();
    const location = answer.headers.get('location') ?? '';
    expect(location).toMatch(/^\/commands\/[0-9a-f]{64}$/);
    expect([200, 404]).toContain((await call('GET', location, { from })).status);
    await from.stop();
  });

  test('so does that of a cancel', async () => {
    const { token } = (await call('POST', '/commands', { body: 'cmd=doubt:cancel' })).body;
    const { from } = await cutAt(['command_canceled'], { refuse: false });
    const answer = await call('DELETE', `/commands/${token}`, { from });
    expect([answer.status, answer.body.code]).toEqual([503, 'outcome_unknown']);
    expect(answer.headers.get('location')).toBe(`/commands/${token}`);
    expect((await call('GET', `/commands/${token}`, { from })).status).toBe(200);
    await from.stop();
  });
});
