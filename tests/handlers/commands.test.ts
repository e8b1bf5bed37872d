import { hc } from 'hono/client';
import { beforeAll, expect, test } from 'vitest';
import type { App } from '../../handlers/app.ts';
import { createDatabase } from '../support/database.ts';
import { startTestRedis } from '../support/redis.ts';
import { type ClientKey, startWeb, type Web } from './web.ts';

let web: Web;
let key: ClientKey;

beforeAll(async () => {
  const [database, redis] = await Promise.all([createDatabase(), startTestRedis()]);
  web = await startWeb({ databaseUrl: database.url, redisUrl: redis.url });
  key = await web.key();
});

test('a command as existing clients send it is accepted, listed and read in the seed form', async () => {
  const posted = await fetch(`${web.url}/commands`, {
    method: 'POST',
    headers: key.headers,
    body: new URLSearchParams({ cmd: 'apps:list', sync: 'false', callback_url: '' }),
  });
  expect(posted.status).toBe(202);
  const text = await posted.text();
  expect(text).toMatch(
    /^\{"id":\d+,"token":"[0-9a-f]{64}","command":"apps:list","created_at":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00","ran_at":null,"result_data":null,"state":"queued","reason":null,"server":"default","callback_url":null,"timeout":600,"started_at":null,"duration_ms":null,"retry_of":null,"result_json":null,"late_result_data":null,"output_truncated":false,"created_by":"key_[0-9a-f]+"\}$/,
  );
  const command = JSON.parse(text) as { token: string };
  expect(posted.headers.get('location')).toBe(`/commands/${command.token}`);
  expect(posted.headers.get('cache-control')).toBe('no-store');
  expect(posted.headers.get('content-type')).toBe('application/json');

  await web.runOldest({ output: '=====> My Apps\napi' });
  const got = await fetch(`${web.url}/commands/${command.token}`, { headers: key.headers });
  expect(got.status).toBe(200);
  const finished = (await got.json()) as Record<string, unknown>;
  expect(finished).toMatchObject({ state: 'succeeded', result_data: { ok: true, output: '=====> My Apps\napi' } });

  const listed = await fetch(`${web.url}/commands`, { headers: key.headers });
  expect(await listed.json()).toEqual([finished]);
});

test('the typed client knows paths, fields and answers', async () => {
  const client = hc<App>(web.url, { headers: key.headers });
  const posted = await client.commands.$post({ json: { cmd: 'ps:report shop', sync: false, timeout: 5 } });
  const command = await posted.json();
  expect(command.timeout).toBe(5);
  const got = await client.commands[':token'].$get({ param: { token: command.token }, query: {} });
  expect((await got.json()).token).toBe(command.token);
  const listed = await client.commands.$get({ query: { q: 'report' } });
  expect((await listed.json()).map(({ id }) => id)).toEqual([command.id]);
});
