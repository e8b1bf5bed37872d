import { beforeAll, expect, test } from 'vitest';
import { createConsole } from '../../../handlers/console/console.ts';
import { FailedAuthentications } from '../../../handlers/middleware/failed-authentications.ts';
import { createDatabase } from '../../support/database.ts';
import { newCommand } from '../../support/new-command.ts';
import { startTestRedis } from '../../support/redis.ts';
import { type ClientKey, startWeb, type Web } from '../web.ts';
import { type BrowserSession, signIn } from './browser-session.ts';

const esc = '\u001b';
const nobody = '0'.repeat(64);
let web: Web;
let admin: ClientKey;
let session: BrowserSession;

beforeAll(async () => {
  const [database, redis] = await Promise.all([createDatabase(), startTestRedis()]);
  web = await startWeb({
    databaseUrl: database.url,
    redisUrl: redis.url,
    settings: { DOKKU_SERVERS: 'eu=/run/eu.sock', CALLBACK_ALLOW: '127.0.0.1' },
  });
  admin = await web.key({ role: 'admin', name: 'operator <b>' });
  session = await signIn(web, admin);
});

const accept = async (changes: Parameters<typeof newCommand>[0] = {}) =>
  (await web.deps.accept(newCommand(changes), null)).row;
const pageOf = async (path: string) => await (await session.get(path)).text();
const ids = (page: string) => [...page.matchAll(/<tr id="command-(\d+)"/g)].map(([, id]) => Number(id));

test('every path but the sign-in form and the static files needs a session; credentials in headers are none', async () => {
  const routes = createConsole(web.deps, new FailedAuthentications()).routes.filter(({ method }) => method !== 'ALL');
  const paths = new Set(routes.map(({ method, path }) => `${method} ${path}`));
  expect(paths.size).toBeGreaterThan(15);
  for (const route of [...paths, 'GET /console/nowhere', 'GET /console/']) {
    const [method = '', path = ''] = route.split(' ');
    const isOpen = path === '/console/sign-in' || path.startsWith('/console/static/');
    const url = web.url + path.replace(':token', nobody).replace('*', 'nowhere');
    for (const headers of [{}, admin.headers]) {
      const answer = await fetch(url, { method, headers, redirect: 'manual' });
      if (isOpen) continue;
      expect([route, answer.status]).toEqual([route, 401]);
      if (method !== 'HEAD') expect(await answer.text()).toContain('Sign in to the console');
    }
  }
});

test('every answer forbids scripts, styles and frames but our own, and holding on to it', async () => {
  for (const path of [
    '/console',
    '/console/sign-in',
    '/console/nowhere',
    '/console/run',
    `/console/commands/${nobody}`,
  ]) {
    for (const answer of [await session.get(path), await fetch(web.url + path)]) {
      const policy = answer.headers.get('content-security-policy');
      expect(policy).toBe(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
      );
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      expect(answer.headers.get('referrer-policy')).toBe('same-origin');
      expect(answer.headers.get('cache-control')).toBe('no-store');
      const page = await answer.text();
      expect(page).not.toMatch(/ style=|<style|\son[a-z]+=|javascript:/i);
      expect([...page.matchAll(/<script[^>]*>/g)].map(([tag]) => tag)).toEqual([
        expect.stringMatching(/^<script type="module" src="\/console\/static\/[0-9a-f]{16}\/console\.js">$/),
      ]);
    }
  }
});

test('static files are found under the version that pages name, for good, and under another for now', async () => {
  const page = await (await fetch(`${web.url}/console/sign-in`)).text();
  const paths = [...page.matchAll(/(?:href|src)="(\/console\/static\/[^"]+)"/g)].map(([, path = '']) => path);
  expect(paths.length).toBeGreaterThan(5);
  for (const path of new Set(paths)) {
    const answer = await fetch(web.url + path);
    expect([path, answer.status]).toEqual([path, 200]);
    expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    const other = await fetch(web.url + path.replace(/[0-9a-f]{16}/, '0'.repeat(16)));
    expect([other.status, other.headers.get('cache-control')]).toEqual([200, 'no-cache']);
  }
  for (const name of ['age.d.ts', 'tsconfig.json', '..%2fconsole.ts', '%2e%2e', 'toString']) {
    expect((await session.get(`/console/static/x/${name}`)).status).toBe(404);
  }
});

test('what is not there, and a method that is not there, are said as a page', async () => {
  const missing = await session.get(`/console/commands/${nobody}`);
  expect([missing.status, missing.headers.get('content-type')]).toEqual([404, 'text/html; charset=UTF-8']);
  expect(await missing.text()).toContain('No command has this token');
  expect((await session.get('/console/')).status).toBe(404);
  const wrong = await session.post('/console/servers');
  expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  const stream = await fetch(`${web.url}/console/events`, { method: 'HEAD', headers: { Cookie: session.cookie } });
  expect([stream.status, stream.headers.get('allow')]).toEqual([405, 'GET']);
});

test('pages go by ids, newest first, there and back again', async () => {
  const rows = [];
  for (let number = 0; number < 120; number++) {
    rows.push(await accept({ command: `ps:report paged-${number}`, server: number % 2 === 0 ? 'default' : 'eu' }));
  }
  const newestFirst = rows.map(({ id }) => id).reverse();
  const link = (page: string, relation: string) => {
    const tag = new RegExp(`<a[^>]*rel="${relation}"[^>]*>`).exec(page)?.[0] ?? '';
    return tag.includes(' hidden') ? null : (/href="([^"]+)"/.exec(tag)?.[1]?.replaceAll('&amp;', '&') ?? null);
  };
  const first = await pageOf('/console?q=ps:report+paged');
  expect(ids(first)).toEqual(newestFirst.slice(0, 50));
  expect(link(first, 'prev')).toBeNull();
  const second = await pageOf(link(first, 'next') ?? '');
  expect(ids(second)).toEqual(newestFirst.slice(50, 100));
  const third = await pageOf(link(second, 'next') ?? '');
  expect(ids(third)).toEqual(newestFirst.slice(100));
  expect(link(third, 'next')).toBeNull();
  expect(ids(await pageOf(link(third, 'prev') ?? ''))).toEqual(newestFirst.slice(50, 100));
  expect(ids(await pageOf(link(second, 'prev') ?? ''))).toEqual(newestFirst.slice(0, 50));

  const oneServer = await pageOf('/console?q=paged&server=eu&state=queued');
  expect(ids(oneServer)).toEqual(newestFirst.filter((_, index) => index % 2 === 0).slice(0, 50));
  expect(ids(await pageOf('/console?q=paged&state=lost'))).toEqual([]);
  expect(ids(await pageOf('/console?q=paged-7&state=nonsense&server=%2e%2e&before=x'))).toHaveLength(11);
  expect(ids(await pageOf('/console?q=paged%25'))).toEqual([]);

  const [row] = rows;
  const jump = await session.get(`/console?q=${row?.token}`);
  expect(jump.headers.get('location')).toBe(`/console/commands/${row?.token}`);
});

test('commands and outputs stay text, whatever they hold', async () => {
  const hostile = `<script>alert(1)</script> "><img src=x onerror=alert(1)> ${esc}[31mred`;
  const command = 'config:set shop X="><script>alert(2)</script>';
  await web.deps.database.execute(
    `update dokku_api.commands set state = 'canceled', reason = 'command_canceled', ok = false, output = 'command_canceled', ran_at = now() where state = 'queued'`,
  );
  const row = await accept({ command });
  await web.runOldest({ output: hostile, ok: false });
  for (const path of [
    '/console',
    `/console/commands/${row.token}`,
    '/console/keys',
    `/console?q=${encodeURIComponent('"><script>')}`,
  ]) {
    const page = await pageOf(path);
    expect(page).not.toContain('<script>');
    expect(page).not.toContain('<img src=x');
    expect(page).not.toContain('<b>');
    expect(page).not.toContain(esc);
  }
  expect(await pageOf(`/console/commands/${row.token}`)).toContain('<span class="fg1">red</span>');
  const raw = await session.get(`/console/commands/${row.token}/output`);
  expect(await raw.text()).toBe(hostile);
  expect(raw.headers.get('content-type')).toBe('text/plain; charset=UTF-8');
  expect(raw.headers.get('content-security-policy')).toContain('sandbox');
  expect(raw.headers.get('x-content-type-options')).toBe('nosniff');
});

test('of 8 MB in any shape a page shows a bounded part, and the raw text has it all', async () => {
  const megabytes = 8 * 1024 * 1024;
  const shapes = {
    'one line': 'x'.repeat(megabytes),
    'short lines': 'y\n'.repeat(megabytes / 2),
    'a look for each character': `${esc}[31ma${esc}[42mb`.repeat(megabytes / 12),
    'titles without an end': `${esc}]0;`.repeat(megabytes / 4),
    'almost JSON': `[${'['.repeat(megabytes - 1)}`,
  };
  for (const [name, output] of Object.entries(shapes)) {
    const row = await accept();
    await web.runOldest({ output });
    const page = await pageOf(`/console/commands/${row.token}`);
    expect([name, page.length < 700_000]).toEqual([name, true]);
    expect(page).toContain('in between are not shown');
    expect(await (await session.get(`/console/commands/${row.token}/output`)).text()).toBe(output);
  }
});

test('JSON is a tree that folds, of which a bounded part is shown', async () => {
  const row = await accept();
  const list = Array.from({ length: 20_000 }, (_, number) => number);
  await web.runOldest({ output: JSON.stringify({ app: '<i>', locked: false, none: null, empty: {}, list }) });
  const page = await pageOf(`/console/commands/${row.token}`);
  expect(page).toContain('<span class="json-string">&quot;&lt;i&gt;&quot;</span>');
  expect(page).toContain('<span class="json-boolean">false</span>');
  expect(page).toContain('20000 items');
  expect(page).toContain('Only the first 1500 values are shown');
  expect(page.match(/json-number/g)?.length).toBeLessThan(1500);
});

test('a form sent twice asks for one command', async () => {
  const fields = { cmd: 'apps:list', server: 'eu', timeout: '', callback_url: '', form_id: crypto.randomUUID() };
  const first = await session.post('/console/commands', fields);
  const again = await session.post('/console/commands', fields);
  expect([first.status, again.status]).toEqual([303, 303]);
  expect(again.headers.get('location')).toBe(first.headers.get('location'));
  const other = await session.post('/console/commands', { ...fields, form_id: crypto.randomUUID() });
  expect(other.headers.get('location')).not.toBe(first.headers.get('location'));
});

test('what is refused is said beside its field, with all that was typed', async () => {
  const answer = await session.post('/console/commands', {
    cmd: 'logs shop --tail',
    server: 'eu',
    timeout: '0',
    callback_url: 'http://10.0.0.1/',
  });
  expect(answer.status).toBe(422);
  const page = await answer.text();
  for (const field of ['cmd', 'timeout', 'callback_url']) expect(page).toContain(`id="${field}-error"`);
  expect(page).toContain('value="logs shop --tail"');
  expect(page).toContain('value="http://10.0.0.1/"');
  expect(page).toContain('<option value="eu" selected');
});

test('a command is retried, canceled and its callback sent again, each once it can be', async () => {
  const row = await accept({ server: 'eu', callbackUrl: 'http://127.0.0.1:9/done' });
  const path = `/console/commands/${row.token}`;
  for (const action of ['retry', 'resend']) {
    const early = await session.post(`${path}/${action}`);
    expect([action, early.status]).toEqual([action, 409]);
    expect(await early.text()).toContain('role="alert"');
  }
  const canceled = await session.post(`${path}/cancel`);
  expect(canceled.headers.get('location')).toBe(`${path}?done=canceled`);
  expect(await pageOf(`${path}?done=canceled`)).toContain('It is canceled.');
  expect((await session.post(`${path}/cancel`)).status).toBe(409);

  const form_id = crypto.randomUUID();
  const retried = await session.post(`${path}/retry`, { form_id });
  const again = await session.post(`${path}/retry`, { form_id });
  expect(retried.status).toBe(303);
  expect(again.headers.get('location')).toBe(retried.headers.get('location'));
  const token = /commands\/(\w+)\?done=accepted/.exec(retried.headers.get('location') ?? '')?.[1] ?? '';
  expect(await web.deps.commands.findByToken(token)).toMatchObject({
    retryOf: row.token,
    server: 'eu',
    callbackUrl: 'http://127.0.0.1:9/done',
    createdBy: admin.publicId,
  });

  const { delivery } = (await web.deps.deliveries.find(row.id)) ?? {};
  if (!delivery) throw new Error('the command has no delivery');
  await web.deps.deliveries.recordAttempt(delivery, {
    status: 410,
    error: null,
    durationMs: 12,
    state: 'dead',
    nextAfterMs: null,
  });
  const failed = await pageOf(path);
  expect(failed).toContain('Given up');
  expect(failed).toContain('HTTP 410');
  const resend = { form_id: crypto.randomUUID() };
  expect((await session.post(`${path}/resend`, resend)).headers.get('location')).toBe(`${path}?done=resent`);
  const resent = (await web.deps.deliveries.find(row.id))?.delivery;
  expect(resent).toMatchObject({ state: 'pending', attempt: 0 });
  expect((await session.post(`${path}/resend`, resend)).status).toBe(303);
  expect((await web.deps.deliveries.find(row.id))?.delivery.nextAt).toEqual(resent?.nextAt);
});

test('the list’s stream tells of each change, as the row and whether the filter finds it', async () => {
  const abort = new AbortController();
  const stream = await fetch(`${web.url}/console/events?state=queued&q=streamed`, {
    headers: { Cookie: session.cookie },
    signal: abort.signal,
  });
  expect(stream.headers.get('content-type')).toBe('text/event-stream');
  const row = await accept({ command: 'ps:report <streamed>' });
  await web.deps.announcer.announceQueued(row);
  await web.runOldest({ output: 'done' });
  const events: { id: number; passes: boolean; html: string }[] = [];
  let text = '';
  for await (const chunk of stream.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    events.splice(0, events.length, ...[...text.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => JSON.parse(data)));
    if (events.some(({ html }) => html.includes('Succeeded'))) break;
  }
  abort.abort();
  const own = events.filter(({ id }) => id === row.id);
  expect(own.at(-1)).toMatchObject({ passes: false });
  expect(own.at(-1)?.html).toContain('ps:report &lt;streamed&gt;');
  expect(own.at(-1)?.html).toMatch(/^<tr id="command-/);
});

test('servers and keys are shown, without any secret', async () => {
  const gone = await web.key({ name: 'gone' });
  await web.deps.keys.delete(gone.apiKey);
  const keys = await pageOf('/console/keys');
  for (const key of [admin, gone]) {
    expect(keys).toContain(key.publicId);
    expect(keys).not.toContain(key.apiKey);
    expect(keys).not.toContain(key.apiSecret);
    expect(keys).not.toContain(key.signingSecret);
  }
  expect(keys).toContain('1 deleted key');
  const servers = await pageOf('/console/servers');
  for (const name of ['default', 'eu']) expect(servers).toContain(`id="server-${name}"`);
  expect(servers).toContain('No live worker has');
});
