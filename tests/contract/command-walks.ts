/** The rows of *Endpoints* that read and make commands. */
import { expect } from 'vitest';
import type { WireCommand } from '../../lib/command.ts';
import { openEvents } from '../handlers/event-reader.ts';
import type { Answer } from '../support/send.ts';
import { form, notAToken } from './scene.ts';
import type { Walks } from './walk.ts';

const json = 'application/json';
const oneCommand = { 'content-type': json, 'cache-control': 'no-store' };
const list = ({ body }: Answer) => JSON.parse(body) as WireCommand[];
const one = ({ body }: Answer) => JSON.parse(body) as WireCommand;

/** Of a page's Link header, by relation. */
function links({ headers }: Answer): Record<string, string> {
  const found = String(headers.link ?? '').matchAll(/<([^>]+)>; rel="(\w+)"/g);
  return Object.fromEntries([...found].map(([, target = '', relation = '']) => [relation, target]));
}

export const commandWalks: Walks = {
  '`GET /commands`': async (check, scene) => {
    const made: WireCommand[] = [];
    for (const cmd of ['apps:list', 'ps:report api', 'no:such']) made.push(await scene.finished({ cmd }));
    const whole = await scene.send('GET', '/commands');
    check.status(whole, 200);
    check.headers(whole, { ...oneCommand, link: null });
    const ids = list(whole).map(({ id }) => id);
    check.body(
      ids,
      ids.toSorted((a, b) => a - b),
    );
    check.body(list(whole).slice(-made.length), made);

    const other = await scene.credentials({ owner: 'other', role: 'run' });
    check.body(list(await scene.send('GET', '/commands', { headers: other })), []);
    await scene.storeQueued('paged', 101);
    const pager = await scene.credentials({ owner: 'paged', role: 'read' });
    const page = async (query: string) => {
      const answer = await scene.send('GET', `/commands?${query}`, { headers: pager });
      check.status(answer, 200);
      check.headers(answer, oneCommand);
      return { ids: list(answer).map(({ id }) => id), links: links(answer) };
    };
    const everything = list(await scene.send('GET', '/commands', { headers: pager })).map(({ id }) => id);
    const pageOf = (from: number, to: number) => everything.slice(from, to);
    expect(everything).toHaveLength(101);
    const first = await page('order=asc');
    check.body(first.ids, pageOf(0, 100));
    check.body((await page(first.links.next?.split('?')[1] ?? '')).ids, pageOf(100, 101));
    check.body((await page('limit=1000')).ids, everything);
    const middle = await page(`limit=2&after=${everything[9]}`);
    check.body(middle.ids, pageOf(10, 12));
    check.body((await page(middle.links.next?.split('?')[1] ?? '')).ids, pageOf(12, 14));
    check.body((await page(middle.links.prev?.split('?')[1] ?? '')).ids, pageOf(8, 10));
    expect(`${middle.links.next}${middle.links.prev}`).not.toMatch(/offset|page/i);
    check.body((await page(`limit=2&before=${everything[9]}&order=desc`)).ids, pageOf(7, 9).toReversed());
    for (const refused of ['limit=0', 'limit=1001', 'order=up', 'state=done', 'after=x', 'since=yesterday']) {
      check.status(await scene.send('GET', `/commands?${refused}`), 400);
    }

    const [apps, report, failed] = made;
    const found = async (query: string) =>
      list(await scene.send('GET', `/commands?${query}`)).map(({ token }) => token);
    check.body(await found('q=s:repo'), [report?.token]);
    check.body(await found(`state=failed&after=${apps?.id}`), [failed?.token]);
    check.body(await found(`server=default&after=${report?.id}`), [failed?.token]);
    check.body(await found(`server=eu&after=${apps?.id}&state=succeeded`), []);
    const before = `after=${(apps?.id ?? 0) - 1}&before=${(apps?.id ?? 0) + 1}`;
    const created = apps?.created_at ?? '';
    // Stored with fractions of a second: the second that it shows holds it, and the next one does not.
    const nextSecond = new Date(Date.parse(created) + 1000).toISOString();
    for (const time of [created.replace('+', '%2B'), created.replace('+', ' ').replace(' ', '+')]) {
      check.body(await found(`${before}&since=${time}`), [apps?.token]);
      check.body(await found(`${before}&until=${time}`), []);
    }
    check.body(await found(`${before}&until=${nextSecond}`), [apps?.token]);
    check.body(await found(`${before}&since=${nextSecond}`), []);
  },

  '`POST /commands`': async (check, scene) => {
    const boundary = 'b';
    const parts = `--${boundary}\r\nContent-Disposition: form-data; name="cmd"\r\n\r\napps:list\r\n--${boundary}--\r\n`;
    const ways = [
      { path: '/commands', headers: { 'Content-Type': form }, body: 'cmd=apps%3Alist&sync=false&callback_url=&new=1' },
      { path: '/commands', headers: { 'Content-Type': `multipart/form-data; boundary=${boundary}` }, body: parts },
      { path: '/commands', headers: { 'Content-Type': json }, body: '{"cmd":"apps:list","sync":false,"new":[1]}' },
      { path: '/commands?cmd=apps:list&sync=1&new=1', headers: {}, body: '' },
    ];
    for (const { path, headers, body } of ways) {
      const answer = await scene.send('POST', path, { headers, body });
      check.status(answer, 202);
      const command = one(answer);
      check.headers(answer, { ...oneCommand, location: `/commands/${command.token}` });
      check.body(command, {
        command: 'apps:list',
        state: 'queued',
        ran_at: null,
        result_data: null,
        server: 'default',
        callback_url: null,
        timeout: 600,
      });
    }
    const placed = await scene.post('/commands', { cmd: ' ps:report\t', server: 'eu', timeout: '5' });
    check.body(one(placed), { command: 'ps:report', server: 'eu', timeout: 5 });
    check.status(await scene.post('/commands', { sync: 'true' }), 422);

    const finished = await scene.post('/commands', { cmd: 'apps:list', sync: 'true' });
    check.status(finished, 200);
    check.headers(finished, oneCommand);
    check.body(one(finished), { state: 'succeeded', result_data: { ok: true }, ran_at: expect.any(String) });

    // A web process that holds for a second at most, then one that must stop.
    const hold = await scene.daemon.hold('ps:stop api', 'always');
    const short = await scene.frail.web.post('/commands', { cmd: 'ps:stop api', sync: 'true' });
    check.body({ status: short.status, ...((await short.json()) as WireCommand) }, { status: 200, ran_at: null });
    const stopping = await scene.installation.startWeb();
    const held = stopping.post('/commands', { cmd: 'ps:stop api', sync: 'true' });
    await scene.accepted('ps:stop api', 2);
    await hold.held();
    stopping.process.signal('SIGTERM');
    check.body(await (await held).json(), { command: 'ps:stop api', ran_at: null });
    await hold.release();
  },

  '`GET /commands/:token`': async (check, scene) => {
    const command = await scene.finished();
    const path = `/commands/${command.token}`;
    const answer = await scene.send('GET', path);
    check.status(answer, 200);
    check.headers(answer, oneCommand);
    check.body(one(answer), command);
    check.status(await scene.send('GET', `/commands/${notAToken}`), 404);
    const other = await scene.credentials({ owner: 'other' });
    check.status(await scene.send('GET', path, { headers: other }), 404);
    for (const wait of ['51', '-1', 'x', '1.5']) check.status(await scene.send('GET', `${path}?wait=${wait}`), 400);

    const output = await scene.send('GET', path, { headers: { Accept: 'text/plain' } });
    check.status(output, 200);
    check.headers(output, { 'content-type': /^text\/plain/, 'cache-control': 'no-store' });
    check.body(output.body, command.result_data?.output);

    const hold = await scene.daemon.hold('ps:start api');
    const { token } = one(await scene.post('/commands', { cmd: 'ps:start api' }));
    await hold.held();
    const none = await scene.send('GET', `/commands/${token}`, { headers: { Accept: 'text/plain' } });
    check.status(none, 202);
    check.body(none.body, '');
    const from = performance.now();
    check.body(one(await scene.send('GET', `/commands/${token}?wait=1`)), { ran_at: null });
    expect(performance.now() - from).toBeGreaterThan(950);
    const waiting = scene.send('GET', `/commands/${token}?wait=50`);
    await hold.release();
    check.body(one(await waiting), { state: 'succeeded', ran_at: expect.any(String) });
  },

  '`GET /commands/:token/events`': async (check, scene) => {
    const hold = await scene.daemon.hold('ps:restart api');
    const { token } = one(await scene.post('/commands', { cmd: 'ps:restart api' }));
    await hold.held();
    const stream = await openEvents(`${scene.web.url}/commands/${token}/events`, scene.admin);
    check.status(stream, 200);
    check.headers(stream, {
      'content-type': 'text/event-stream',
      'x-accel-buffering': 'no',
      'cache-control': 'no-store',
    });
    await stream.until(() => stream.events.length > 0, 'the state now');
    await hold.release();
    check.body(await stream.end, 'complete');
    check.body(
      stream.events.map(({ command }) => command.state),
      ['running', 'succeeded'],
    );
    check.body(stream.events.at(-1)?.command, one(await scene.send('GET', `/commands/${token}`)));
    check.status(await scene.send('GET', `/commands/${notAToken}/events`), 404);
  },

  '`GET /events`': async (check, scene) => {
    const mine = await scene.credentials({ owner: 'streams' });
    const open = (last?: string) => openEvents(`${scene.web.url}/events`, mine, last);
    const run = async (cmd: string) => one(await scene.post('/commands', { cmd, sync: 'true' }, mine));
    const stream = await open();
    check.status(stream, 200);
    check.headers(stream, { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' });
    await scene.finished({ cmd: 'ps:report' });
    const seen = await run('apps:list');
    await stream.until(() => stream.events.at(-1)?.command.state === 'succeeded', 'the end of the command');
    check.body(new Set(stream.events.map(({ command }) => command.token)), new Set([seen.token]));
    stream.leave();
    const missed = await run('apps:list');
    const again = await open(stream.lastEventId);
    await again.until(
      () => again.events.some(({ command }) => command.token === missed.token && command.ran_at !== null),
      'what was missed',
    );
    again.leave();
  },
};
