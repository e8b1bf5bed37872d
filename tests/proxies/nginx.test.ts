/**
 * What lasts, through an nginx that gives up a connection on which nothing came for 60 s: with nothing configured, and
 * as Dokku configures it.
 */
import { createServer } from 'node:net';
import { beforeAll, describe, expect, test } from 'vitest';
import type { WireCommand } from '../../lib/command.ts';
import { type EventReader, openEvents } from '../handlers/event-reader.ts';
import { createInstallation, type Installation, type Web } from '../support/installation.ts';
import { freePort, waitFor } from '../support/process.ts';
import { likeDokku, startNginx } from './nginx.ts';

/** Longer than a proxy waits for a byte. */
const runMs = 70_000;

let installation: Installation;
let web: Web;
let credentials: Record<string, string>;
let silent: string;
const proxies: Record<string, string> = {};

beforeAll(async () => {
  installation = await createInstallation({ servers: ['default', 'eu'], env: { TRUSTED_PROXIES: '1' } });
  [web] = await Promise.all([installation.startWeb(), installation.startWorker()]);
  const key = await installation.generateKey();
  credentials = { 'Api-Key': key.apiKey, 'Api-Secret': key.apiSecret };
  const silentPort = await freePort();
  const server = createServer((socket) => socket.on('error', () => socket.destroy())).listen(silentPort, '127.0.0.1');
  const upstream = Number(new URL(web.url).port);
  const [plain = '', dokku = '', ofSilent = ''] = await startNginx([
    { upstream },
    { upstream, directives: likeDokku },
    { upstream: silentPort },
  ]);
  Object.assign(proxies, { default: plain, eu: dokku });
  silent = ofSilent;
  return () => void server.close();
});

const read = async (path: string) => (await fetch(web.url + path, { headers: credentials })).json();
/** Ends at once where it cannot. */
const elapsed = async (ms: number, from: number) =>
  await waitFor(() => performance.now() - from > ms, { timeout: ms + 5000, describe: `${ms} ms to pass` });

describe.concurrent('through nginx', () => {
  test('an answer that says nothing for 60 s is given up', async () => {
    const from = performance.now();
    const response = await fetch(`${silent}/`);
    expect(response.status).toBe(504);
    expect(performance.now() - from).toBeGreaterThan(59_000);
    expect(performance.now() - from).toBeLessThan(65_000);
  });

  test.each([
    ['with nothing configured', 'default'],
    ['as Dokku configures it', 'eu'],
  ])('%s: sync=true and event streams outlast it, and nothing of them is kept back', async (_name, server) => {
    const proxy = proxies[server] ?? '';
    const daemon = installation.daemons.get(server);
    const hold = await daemon?.hold('ps:rebuild api');
    const from = performance.now();
    const answer = fetch(`${proxy}/commands`, {
      method: 'POST',
      headers: credentials,
      body: new URLSearchParams({ cmd: 'ps:rebuild api', server, sync: 'true' }),
    });
    await hold?.held();
    const [{ token } = { token: '' }] = (await read(`/commands?server=${server}`)) as WireCommand[];
    const all = await openEvents(`${proxy}/events`, { ...credentials, 'Accept-Encoding': 'gzip' });
    const one = await openEvents(`${proxy}/commands/${token}/events`, credentials);
    await one.until(() => one.events.length > 0, 'the state now');
    expect(performance.now() - from).toBeLessThan(10_000);

    const response = await answer;
    const pieces: { text: string; at: number }[] = [];
    const body = (async () => {
      for await (const chunk of response.body ?? []) {
        pieces.push({ text: Buffer.from(chunk).toString(), at: performance.now() - from });
      }
    })();
    await elapsed(runMs, from);
    await hold?.release();
    await body;
    const released = performance.now();

    expect(response.status).toBe(200);
    const blanks = pieces
      .filter(({ text, at }) => /^ +$/.test(text) && at < runMs)
      .map(({ at }) => Math.round(at / 1000));
    expect(blanks).toEqual([20, 40, 60]);
    const whole = pieces.map(({ text }) => text).join('');
    expect(JSON.parse(whole)).toMatchObject({ token, state: 'succeeded' });

    expect(await one.end).toBe('complete');
    const final = (stream: EventReader) =>
      stream.events.some(({ command }) => command.token === token && command.ran_at);
    await all.until(() => final(all), 'the end of the command');
    expect(performance.now() - released).toBeLessThan(2000);
    expect(final(one)).toBe(true);
    for (const { comments } of [one, all]) expect(comments.length).toBeGreaterThanOrEqual(4);
    all.leave();
  });

  test('a wait of 50 s ends before nginx does', async () => {
    const [{ token }] = await waitFor(
      async () => {
        const commands = (await read('/commands?server=default')) as [WireCommand];
        return commands.length > 0 && commands;
      },
      { describe: 'the command that lasts' },
    );
    const from = performance.now();
    const response = await fetch(`${proxies.default}/commands/${token}?wait=50`, { headers: credentials });
    expect([response.status, await response.json()]).toEqual([200, expect.objectContaining({ token, ran_at: null })]);
    expect(performance.now() - from).toBeGreaterThan(49_000);
  });
});
