/** The clients that programs use: one generated from the document, and one typed by the route table. */
import createFetchClient from 'openapi-fetch';
import generateTypes from 'openapi-typescript';
import { beforeAll, describe, expect, test } from 'vitest';
import { createClient } from '../../handlers/client.ts';
import type { paths } from '../fixtures/api-types.d.ts';
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

describe('a client generated from the document', () => {
  test('is generated as it was: a change here is one that every client sees (vitest -u takes it over)', async () => {
    const document = await (await fetch(`${web.url}/openapi.json`)).json();
    await expect(await generateTypes(document)).toMatchFileSnapshot('../fixtures/api-types.d.ts');
  });

  test('runs a command, waits for it, retries it and reads them all', async () => {
    const client = createFetchClient<paths>({ baseUrl: web.url, headers: key.headers });
    const posted = await client.POST('/commands', { body: { cmd: 'apps:list', sync: false, timeout: 5 } });
    expect(posted.data).toMatchObject({ command: 'apps:list', state: 'queued', timeout: 5 });
    const token = posted.data?.token ?? '';
    const path = { token };
    const waiting = client.GET('/commands/{token}', { params: { path, query: { wait: 50 } } });
    await web.runOldest({ output: '=====> My Apps' });
    const { data: finished } = await waiting;
    // As the document says, the output alone is sent where text is preferred.
    if (typeof finished === 'string' || finished === undefined) throw new Error('the answer is no command');
    expect(finished.result_data?.ok).toBe(true);

    const retried = await client.POST('/commands/{token}/retry', {
      params: { path, header: { 'Idempotency-Key': 'once' } },
    });
    expect(retried.data?.retry_of).toBe(token);
    const canceled = await client.DELETE('/commands/{token}', {
      params: { path: { token: retried.data?.token ?? '' } },
    });
    expect(canceled.data?.state).toBe('canceled');
    const { data: page, response } = await client.GET('/commands', { params: { query: { limit: 1, order: 'desc' } } });
    expect(page?.map(({ retry_of }) => retry_of)).toEqual([token]);
    expect(response.headers.get('link')).toContain('rel="next"');
    const { data: servers } = await client.GET('/servers');
    expect(servers?.map(({ server }) => server)).toEqual(['default']);
  });

  test('tells errors by their code', async () => {
    const client = createFetchClient<paths>({ baseUrl: web.url, headers: key.headers });
    const refused = await client.POST('/commands', { body: { cmd: '' } });
    expect(refused.data).toBeUndefined();
    const error = refused.error && 'errors' in refused.error ? refused.error : undefined;
    expect(error?.errors).toMatchObject([{ field: 'cmd', code: 'blank' }]);
    const missing = await client.GET('/commands/{token}', { params: { path: { token: 'f'.repeat(64) } } });
    const code: string | undefined = missing.error?.code;
    expect(code).toBe('not_found');
    // @ts-expect-error -- there is no such path
    expect((await client.GET('/nowhere')).response.status).toBe(404);
  });
});

test('the client typed by the route table knows paths, fields and answers', async () => {
  const client = createClient(web.url, key);
  const posted = await client.commands.$post({ json: { cmd: 'ps:report shop', timeout: 5 } });
  const { token, timeout } = await posted.json();
  expect(timeout).toBe(5);
  const command = client.commands[':token'];
  const waiting = command.$get({ param: { token }, query: { wait: '50' } });
  await web.runOldest({ output: 'running' });
  expect((await (await waiting).json()).result_data?.output).toBe('running');
  const retried = await (await command.retry.$post({ param: { token } })).json();
  expect(retried.retry_of).toBe(token);
  const [server] = await (await client.servers.$get()).json();
  expect(server?.queue_length).toBe(1);
  const health = await (await client.healthz.$get()).json();
  expect(health.status).toBe('ok');
  // @ts-expect-error -- a command has no such field
  expect(retried.nothing).toBeUndefined();
});
