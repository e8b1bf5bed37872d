import { request } from 'node:http';
import { json } from 'node:stream/consumers';
import { sql } from 'drizzle-orm';
import { beforeAll, describe, expect, test } from 'vitest';
import type { FieldError } from '../../lib/errors.ts';
import { createDatabase } from '../support/database.ts';
import { startTestRedis } from '../support/redis.ts';
import { type ClientKey, startWeb, type Web } from './web.ts';

let web: Web;
let key: ClientKey;

beforeAll(async () => {
  const [database, redis] = await Promise.all([createDatabase(), startTestRedis()]);
  web = await startWeb({
    databaseUrl: database.url,
    redisUrl: redis.url,
    settings: { DOKKU_SERVERS: 'eu=/run/eu.sock', COMMAND_TIMEOUT: '300' },
  });
  key = await web.key({ rateLimit: 100_000 });
});

type Answer = {
  status: number;
  body: { code?: string; messages?: string[]; errors?: Pick<FieldError, 'field' | 'code' | 'detail'>[] } & Record<
    string,
    unknown
  >;
};

async function post(
  body: string | Uint8Array<ArrayBuffer> | FormData | URLSearchParams | undefined,
  options: { type?: string; query?: string; headers?: Record<string, string>; as?: ClientKey } = {},
): Promise<Answer> {
  const response = await fetch(`${web.url}/commands${options.query ?? ''}`, {
    method: 'POST',
    headers: {
      ...(options.as ?? key).headers,
      ...(options.type === undefined ? {} : { 'Content-Type': options.type }),
      ...options.headers,
    },
    ...(body === undefined ? {} : { body }),
  });
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}

async function stored(): Promise<number> {
  const { rows } = await web.deps.database.execute<{ count: number }>(
    sql`select count(*)::int as count from dokku_api.commands`,
  );
  return rows[0]?.count ?? -1;
}

const form = 'application/x-www-form-urlencoded';
const all = 'cmd=config:set+shop+A%3D1&callback_url=https%3A%2F%2Fexample.com%2F&timeout=7&server=eu&unknown=1';
const multipart = (parts: string) => `--b\r\nContent-Disposition: form-data; name=${parts}\r\n--b--\r\n`;

describe('a command is taken from', () => {
  const taken = { command: 'config:set shop A=1', callback_url: 'https://example.com/', timeout: 7, server: 'eu' };
  const formData = new FormData();
  for (const [name, value] of new URLSearchParams(all)) formData.set(name, value);

  test.each([
    ['a form', all, form],
    ['a form with a charset', all, `${form}; charset="UTF-8"`],
    ['a multipart form', formData, undefined],
    [
      'JSON',
      JSON.stringify({ cmd: taken.command, callback_url: taken.callback_url, timeout: 7, server: 'eu', x: {} }),
      'application/json',
    ],
    [
      'JSON with a charset',
      JSON.stringify({ cmd: taken.command, callback_url: taken.callback_url, timeout: '7', server: 'eu' }),
      'application/json;charset=utf8',
    ],
  ])('%s', async (_name, body, type) => {
    const { status, body: command } = await post(body, type === undefined ? {} : { type });
    expect([status, command]).toEqual([202, expect.objectContaining(taken)]);
  });

  test('the query, where there is no body, and fields of the body win', async () => {
    expect((await post(undefined, { query: `?${all}` })).body).toMatchObject(taken);
    expect((await post('', { query: `?${all}`, type: form })).body).toMatchObject(taken);
    const { body } = await post('cmd=apps:list', { query: `?${all}`, type: form });
    expect(body).toMatchObject({ ...taken, command: 'apps:list' });
  });

  test('fields that are empty count as not sent, and blanks around the command are cut', async () => {
    const { body } = await post('cmd=%20apps:list%09&callback_url=&timeout=&server=&sync=', { type: form });
    expect(body).toMatchObject({ command: 'apps:list', callback_url: null, timeout: 300, server: 'default' });
  });

  test('text that is not ASCII, in every form', async () => {
    const command = 'config:set shop NAME=Zoë-漢字';
    const encoded = `cmd=${encodeURIComponent(command)}`;
    expect((await post(encoded, { type: form })).body.command).toBe(command);
    expect((await post(`cmd=${command.replaceAll(' ', '+')}`, { type: form })).body.command).toBe(command);
    expect((await post(undefined, { query: `?${encoded}` })).body.command).toBe(command);
    expect((await post(JSON.stringify({ cmd: command }), { type: 'application/json' })).body.command).toBe(command);
    const parts = new FormData();
    parts.set('cmd', command);
    expect((await post(parts)).body.command).toBe(command);
  });
});

describe('nothing is stored, and the answer says why, for', () => {
  const bytes = (text: string, ...rest: number[]) => Uint8Array.from([...Buffer.from(text), ...rest]);

  test.each<[string, Parameters<typeof post>[0], string | undefined, number, string]>([
    ['JSON that is cut', '{"cmd":', 'application/json', 400, 'malformed_json'],
    ['JSON that is not UTF-8', bytes('{"cmd":"a', 0xff, 0x22, 0x7d), 'application/json', 400, 'malformed_json'],
    ['a form with a lone %', 'cmd=100%', form, 400, 'malformed_form'],
    ['a form whose escapes are not UTF-8', 'cmd=%FF', form, 400, 'malformed_form'],
    ['a form that is not UTF-8', bytes('cmd=', 0xff), form, 400, 'malformed_form'],
    [
      'a multipart body without its end',
      '--b\r\nContent-Disposition: form-data; name="cmd"\r\n\r\na',
      'multipart/form-data; boundary=b',
      400,
      'malformed_form',
    ],
    ['a multipart body without a boundary', multipart('"cmd"\r\n\r\na'), 'multipart/form-data', 400, 'malformed_form'],
    [
      'a multipart body that is not UTF-8',
      bytes('--b\r\nContent-Disposition: form-data; name="cmd"\r\n\r\n', 0xff, ...Buffer.from('\r\n--b--\r\n')),
      'multipart/form-data; boundary=b',
      400,
      'malformed_form',
    ],
    ['plain text', 'apps:list', 'text/plain', 415, 'unsupported_media_type'],
    ['a body of no type', bytes('cmd=apps:list'), undefined, 415, 'unsupported_media_type'],
    ['another charset', 'cmd=a', `${form}; charset=latin1`, 415, 'unsupported_media_type'],
  ])('%s', async (_name, body, type, status, code) => {
    const before = await stored();
    const answer = await post(body, type === undefined ? {} : { type });
    expect(answer).toMatchObject({ status, body: { status: 'error', message: code, code } });
    expect(await stored()).toBe(before);
  });

  test('a query that cannot be read', async () => {
    expect(await post(undefined, { query: '?cmd=%FF' })).toMatchObject({ status: 400, body: { code: 'bad_query' } });
    expect(await post('cmd=a', { query: '?x=%', type: form })).toMatchObject({ body: { code: 'bad_query' } });
  });

  test('a body in a content coding', async () => {
    const answer = await post('cmd=a', { type: form, headers: { 'Content-Encoding': 'gzip' } });
    expect(answer).toMatchObject({ status: 415, body: { code: 'unsupported_media_type' } });
  });

  test.each<[string, string, string, string]>([
    ['cmd=', 'cmd', 'blank', 'cmd must not be blank'],
    ['', 'cmd', 'blank', 'cmd must not be blank'],
    ['x=1', 'cmd', 'blank', 'cmd must not be blank'],
    ['cmd=%20%09', 'cmd', 'blank', 'cmd must not be blank'],
    ['cmd=a&cmd=b', 'cmd', 'wrong_type', 'cmd must be one string'],
    ['cmd[]=a', 'cmd', 'wrong_type', 'cmd must be one string'],
    ['cmd[x]=a&cmd=b', 'cmd', 'wrong_type', 'cmd must be one string'],
    ['cmd=apps:list%0Aapps:list', 'cmd', 'control_character', 'cmd must not contain control characters'],
    ['cmd=apps:list+%3E+/tmp/x', 'cmd', 'redirect_refused', 'cmd must not redirect to or from a file'],
    ['cmd=ls+/*', 'cmd', 'glob_refused', 'cmd must not contain words that the daemon would expand to file names'],
    ['cmd=logs+shop+--tail', 'cmd', 'never_ends', 'cmd must not follow a log'],
    [`cmd=${'a'.repeat(32_769)}`, 'cmd', 'too_long', 'cmd is too long'],
    ['cmd=a&sync=true&sync=false', 'sync', 'wrong_type', 'sync must be true or false'],
    [
      'cmd=a&callback_url=nowhere',
      'callback_url',
      'invalid_url',
      'callback_url is not a URL: write it in full, as in https://example.com/done',
    ],
    [
      'cmd=a&callback_url=http://127.1/',
      'callback_url',
      'callback_not_allowed',
      'callback_url is not allowed: the address is not a public one. Use a public host, or have the operator add it to CALLBACK_ALLOW',
    ],
    [
      'cmd=a&callback_url=http://a/&callback_url=http://b/',
      'callback_url',
      'wrong_type',
      'callback_url must be one URL',
    ],
    ['cmd=a&timeout=0', 'timeout', 'out_of_range', 'timeout must be a whole number of seconds from 1 to 86400'],
    ['cmd=a&timeout=86401', 'timeout', 'out_of_range', 'timeout must be a whole number of seconds from 1 to 86400'],
    ['cmd=a&timeout=1.5', 'timeout', 'wrong_type', 'timeout must be a whole number of seconds from 1 to 86400'],
    ['cmd=a&timeout=-1', 'timeout', 'wrong_type', 'timeout must be a whole number of seconds from 1 to 86400'],
    ['cmd=a&server=us', 'server', 'unknown_server', 'server is not configured'],
    ['cmd=a&server=__proto__', 'server', 'unknown_server', 'server is not configured'],
  ])('the form %.60s', async (body, field, code, message) => {
    const before = await stored();
    const answer = await post(body, { type: form });
    expect(answer.status).toBe(422);
    expect(answer.body).toMatchObject({
      status: 'error',
      message: 'invalid_parameters',
      code: 'invalid_parameters',
      messages: [message],
    });
    expect(answer.body.errors).toEqual([{ field, code, detail: expect.stringMatching(/\.$/) }]);
    expect(await stored()).toBe(before);
  });

  test.each<[unknown, string, string]>([
    [{ cmd: 5 }, 'cmd', 'wrong_type'],
    [{ cmd: ['apps:list'] }, 'cmd', 'wrong_type'],
    [{ cmd: null }, 'cmd', 'blank'],
    [{ cmd: 'a\ud800' }, 'cmd', 'invalid_unicode'],
    [{ cmd: 'a', timeout: 1.5 }, 'timeout', 'out_of_range'],
    [{ cmd: 'a', timeout: true }, 'timeout', 'wrong_type'],
    [{ cmd: 'a', timeout: 1e99 }, 'timeout', 'out_of_range'],
    [{ cmd: 'a', callback_url: {} }, 'callback_url', 'wrong_type'],
    [{ cmd: 'a', server: 1 }, 'server', 'wrong_type'],
    [{ cmd: 'a', sync: {} }, 'sync', 'wrong_type'],
    [['cmd'], 'body', 'not_an_object'],
    ['cmd', 'body', 'not_an_object'],
    [null, 'body', 'not_an_object'],
  ])('the JSON %j', async (value, field, code) => {
    const answer = await post(JSON.stringify(value), { type: 'application/json' });
    expect(answer.status).toBe(422);
    expect(answer.body.errors).toEqual([expect.objectContaining({ field, code })]);
  });

  test('a file where text belongs', async () => {
    const parts = new FormData();
    parts.set('cmd', new Blob(['apps:list']), 'cmd.txt');
    expect(await post(parts)).toMatchObject({ status: 422, body: { errors: [{ field: 'cmd', code: 'wrong_type' }] } });
  });

  test('several fields at once, each with its own message', async () => {
    const answer = await post('cmd=&timeout=x&server=us&callback_url=ftp://a/', { type: form });
    expect(answer.body.messages).toHaveLength(4);
    expect(answer.body.errors?.map(({ field }) => field).sort()).toEqual(['callback_url', 'cmd', 'server', 'timeout']);
  });
});

test('only true is true', async () => {
  for (const sync of ['TRUE', '1', 'yes', 'false', '']) {
    expect((await post(`cmd=apps:list&sync=${sync}`, { type: form })).status).toBe(202);
  }
  for (const sync of [1, 'TRUE', false, null]) {
    expect((await post(JSON.stringify({ cmd: 'apps:list', sync }), { type: 'application/json' })).status).toBe(202);
  }
});

test('a body over 64 KiB is refused, also when its length is not told', async () => {
  const long = `cmd=apps:list&x=${'y'.repeat(65_536)}`;
  expect(await post(long, { type: form })).toMatchObject({ status: 413, body: { code: 'body_too_large' } });

  const chunked = request(`${web.url}/commands`, {
    method: 'POST',
    headers: { ...key.headers, 'Content-Type': form, 'Transfer-Encoding': 'chunked' },
  });
  for (let at = 0; at < long.length; at += 5000) chunked.write(long.slice(at, at + 5000));
  chunked.end();
  const [status, body] = await new Promise<[number | undefined, unknown]>((resolve, reject) => {
    chunked.once('error', reject);
    chunked.once('response', (response) => {
      json(response).then((value) => resolve([response.statusCode, value]), reject);
    });
  });
  expect([status, body]).toEqual([413, expect.objectContaining({ code: 'body_too_large' })]);

  const short = request(`${web.url}/commands`, {
    method: 'POST',
    headers: { ...key.headers, 'Content-Type': form, 'Transfer-Encoding': 'chunked' },
  });
  short.write('cmd=apps');
  short.end(':list');
  const accepted = await new Promise<number | undefined>((resolve, reject) => {
    short.once('error', reject);
    short.once('response', (response) => resolve(response.resume().statusCode));
  });
  expect(accepted).toBe(202);
});

describe('what the key may not run is refused', () => {
  test('by its rules', async () => {
    const limited = await web.key({ rules: ['ps:restart shop'] });
    expect((await post('cmd=ps:restart+shop', { type: form, as: limited })).status).toBe(202);
    const refused = await post('cmd=ps:restart+secret-app', { type: form, as: limited });
    expect(refused).toMatchObject({ status: 403, body: { code: 'command_not_allowed' } });
    expect(JSON.stringify(refused.body)).not.toContain('secret-app');
    expect(await post('cmd=', { type: form, as: limited })).toMatchObject({ status: 422 });
  });

  test('by its servers', async () => {
    const limited = await web.key({ servers: ['eu'] });
    expect((await post('cmd=apps:list&server=eu', { type: form, as: limited })).status).toBe(202);
    const refused = await post('cmd=apps:list', { type: form, as: limited });
    expect(refused).toMatchObject({ status: 403, body: { code: 'server_not_allowed' } });
  });

  test('by its role', async () => {
    for (const role of ['read', 'metrics'] as const) {
      const refused = await post('cmd=', { type: form, as: await web.key({ role }) });
      expect(refused).toMatchObject({ status: 403, body: { code: 'role_not_allowed' } });
    }
  });

  test('redirections, but to a key that is made for them', async () => {
    const trusted = await web.key({ allowRedirects: true });
    expect((await post('cmd=apps:list+%3E+/tmp/x', { type: form, as: trusted })).status).toBe(202);
  });
});
