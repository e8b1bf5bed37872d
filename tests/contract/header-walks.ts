/** The rows of *Headers*. */
import { expect } from 'vitest';
import type { WireCommand } from '../../lib/command.ts';
import type { Answer } from '../support/send.ts';
import type { Walks } from './walk.ts';

const one = ({ body }: Answer) => JSON.parse(body) as WireCommand;

export const headerWalks: Walks = {
  '`Idempotency-Key` on POST': async (check, scene) => {
    const send = (key: string, fields: Record<string, string> = { cmd: 'apps:list' }, headers = {}) =>
      scene.post('/commands', fields, { 'Idempotency-Key': key, ...headers });
    const first = await send('first');
    check.status(first, 202);
    check.headers(first, { 'idempotent-replayed': null });
    const again = await send('first');
    check.status(again, 202);
    check.headers(again, { 'idempotent-replayed': 'true', location: `/commands/${one(first).token}` });
    check.body(one(again).token, one(first).token);
    // The same fields in another form of body are the same fields.
    const asJson = {
      headers: { 'Content-Type': 'application/json', 'Idempotency-Key': 'first' },
      body: '{"cmd":"apps:list"}',
    };
    check.body(one(await scene.send('POST', '/commands', asJson)).token, one(first).token);
    const others = await scene.credentials({ role: 'admin' });
    check.headers(await send('first', undefined, others), { 'idempotent-replayed': null });

    const reused = await send('first', { cmd: 'apps:report' });
    check.status(reused, 422);
    check.body(JSON.parse(reused.body), { code: 'idempotency_key_reused' });
    const { token } = await scene.finished();
    const elsewhere = await scene.post(`/commands/${token}/retry`, {}, { 'Idempotency-Key': 'first' });
    check.body(JSON.parse(elsewhere.body), { code: 'idempotency_key_reused' });

    check.status(await send('refused', { cmd: '' }), 422);
    check.headers(await send('refused'), { 'idempotent-replayed': null });
    for (const key of ['a b', 'x'.repeat(256), '\u00e4', '']) check.status(await send(key), 422);
    for (const key of ['x'.repeat(255), '!~']) check.status(await send(key), 202);

    const ten = await Promise.all(Array.from({ length: 10 }, () => send('ten', { cmd: 'ps:report ten' })));
    check.body(new Set(ten.map((answer) => one(answer).token)).size, 1);
    check.body(ten.filter(({ headers }) => headers['idempotent-replayed'] === undefined).length, 1);
  },

  '`X-Request-Id`': async (check, scene) => {
    const ask = (id: string, path = '/commands/x') => scene.send('GET', path, { headers: { 'X-Request-Id': id } });
    for (const id of ['a', 'A-1_b.c', 'x'.repeat(128)]) {
      const error = await ask(id);
      check.status(error, 404);
      check.headers(error, { 'x-request-id': id });
      check.body(JSON.parse(error.body), { request_id: id });
      await scene.web.process.waitForLog((entry) => entry.request_id === id);
      check.headers(await ask(id, '/commands?limit=1'), { 'x-request-id': id });
      check.headers(await ask(id, '/healthz'), { 'x-request-id': id });
    }
    for (const id of ['', 'a b', 'x'.repeat(129), 'a/b', '\u00e4']) {
      const made = await ask(id);
      check.headers(made, { 'x-request-id': /^[A-Za-z0-9._-]{16,128}$/ });
      check.body(JSON.parse(made.body), { request_id: made.headers['x-request-id'] });
    }
  },

  '`RateLimit`, `RateLimit-Policy`, `Retry-After`': async (check, scene) => {
    const key = await scene.credentials({ rateLimit: 2 });
    for (const left of [1, 0]) {
      const answer = await scene.send('GET', '/commands?limit=1', { headers: key });
      check.status(answer, 200);
      check.headers(answer, {
        ratelimit: new RegExp(`^"key";r=${left};t=([1-9]|[1-5][0-9]|60)$`),
        'ratelimit-policy': '"key";q=2;w=60',
        'retry-after': null,
      });
    }
    const limited = await scene.send('GET', '/commands?limit=1', { headers: key });
    check.status(limited, 429);
    check.headers(limited, {
      ratelimit: /^"key";r=0;t=\d+$/,
      'ratelimit-policy': '"key";q=2;w=60',
      'retry-after': /^([1-9]|[1-5][0-9]|60)$/,
    });
    check.body(JSON.parse(limited.body), { code: 'rate_limited' });
    for (const path of ['/nowhere', '/commands/x', '/commands?limit=x']) {
      check.headers(await scene.send('GET', path), { ratelimit: /^"key";/, 'ratelimit-policy': /^"key";/ });
    }
  },

  '`Cache-Control: no-store`': async (check, scene) => {
    const command = await scene.finished();
    const path = `/commands/${command.token}`;
    const answers = [
      await scene.send('GET', path),
      await scene.send('GET', path, { headers: { Accept: 'text/plain' } }),
      await scene.send('GET', '/commands'),
      await scene.send('GET', '/commands?limit=1'),
      await scene.post('/commands', { cmd: 'apps:list' }),
      await scene.post('/commands', { cmd: 'apps:list', sync: 'true' }),
      await scene.post(`${path}/retry`, {}),
      await scene.send('GET', `${path}/retry`),
    ];
    for (const answer of answers) {
      check.headers(answer, { 'cache-control': 'no-store' });
      expect([200, 202]).toContain(answer.status);
    }
    check.status(answers[0] as Answer, 200);
    check.body(one(answers[0] as Answer), command);
  },
};
