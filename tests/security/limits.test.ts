/** What a client may send, before and behind the authentication, and what it makes us hold. */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import type { GeneratedKey } from '../../db/keys.ts';
import { createInstallation, type Installation, type Web } from '../support/installation.ts';
import { waitFor } from '../support/process.ts';
import { ask } from './ask.ts';
import { openRaw, requestHead } from './raw-connection.ts';
import { storeCommand } from './targets.ts';

const kibibyte = 1024;

let installation: Installation;
let web: Web;
let key: GeneratedKey;

beforeAll(async () => {
  installation = await createInstallation({ env: { TRUSTED_PROXIES: '1' } });
  web = await installation.startWeb();
  key = await installation.generateKey();
});

const credentials = () => ({ 'Api-Key': key.apiKey, 'Api-Secret': key.apiSecret });
const open = (raw: string) => openRaw(web.url, raw);

/** Bytes that the web process has in memory. */
function residentBytes(): number {
  const [, pages = '0'] = readFileSync(`/proc/${web.process.pid}/statm`, 'utf8').split(' ');
  return Number(pages) * 4096;
}

const form = { 'Content-Type': 'application/x-www-form-urlencoded' };

describe.concurrent('in bytes', () => {
  test('64 KiB of body, by its length or in chunks, and not a byte more', async () => {
    const post = (body: string) =>
      ask(`${web.url}/commands`, { method: 'POST', headers: { ...credentials(), ...form }, body });
    const padded = (bytes: number) => `cmd=apps:list&x=${'y'.repeat(bytes - 'cmd=apps:list&x='.length)}`;
    expect((await post(padded(64 * kibibyte))).status).toBe(202);
    const refused = await post(padded(64 * kibibyte + 1));
    expect([refused.status, JSON.parse(refused.body).code]).toEqual([413, 'body_too_large']);
    const chunk = `4000\r\n${'y'.repeat(0x4000)}\r\n`;
    const headers = { ...credentials(), ...form, 'Transfer-Encoding': 'chunked', Connection: 'close' };
    const chunked = open(`${requestHead('POST', '/commands', headers)}4\r\ncmd=\r\n${chunk.repeat(4)}0\r\n\r\n`);
    expect(await chunked.answer).toMatch(/^HTTP\/1\.1 413 /);
  });

  test('a body without end is not read for whoever has no key, nor where no body is expected', async () => {
    const before = residentBytes();
    const chunk = Buffer.from(`10000\r\n${'y'.repeat(0x10000)}\r\n`);
    /** Sends a body as fast as it is taken, until there is an answer. */
    const pour = async (headers: Record<string, string>, path: string) => {
      const { socket, answer } = open(requestHead('POST', path, { ...headers, 'Transfer-Encoding': 'chunked' }));
      const more = () => {
        while (!socket.destroyed && socket.bytesRead === 0 && socket.write(chunk));
      };
      socket.on('drain', more);
      more();
      await waitFor(() => socket.bytesRead > 0 || socket.destroyed, { describe: 'an answer' });
      expect(socket.bytesWritten).toBeLessThan(50 * kibibyte * kibibyte);
      socket.destroy();
      return await answer;
    };
    expect(await pour(form, '/commands')).toMatch(/^HTTP\/1\.1 401 /);
    expect(await pour({ ...credentials(), ...form }, '/commands')).toMatch(/^HTTP\/1\.1 413 /);
    expect(await pour({ ...credentials(), ...form }, '/healthz')).toMatch(/^HTTP\/1\.1 405 /);
    expect(residentBytes() - before).toBeLessThan(100 * kibibyte * kibibyte);
  });

  test('16 KiB of headers, the path included', async () => {
    for (const raw of [
      requestHead('GET', '/commands', { ...credentials(), 'X-Long': 'y'.repeat(16 * kibibyte), Connection: 'close' }),
      requestHead('GET', `/commands?q=${'y'.repeat(16 * kibibyte)}`, { ...credentials(), Connection: 'close' }),
    ]) {
      expect(await open(raw).answer).toMatch(/^HTTP\/1\.1 431 /);
    }
    expect((await ask(`${web.url}/healthz`)).status).toBe(200);
  });
});

test('a large result that many follow is in memory once, however slowly they read', async () => {
  const { database } = installation;
  const token = await storeCommand(database, 'running', { owner: 'default' });
  const followers = Array.from({ length: 30 }, () =>
    open(requestHead('GET', `/commands/${token}/events`, credentials())),
  );
  for (const { socket } of followers) socket.pause();
  await waitFor(() => followers.every(({ socket }) => socket.bytesRead > 0), { describe: 'streams to begin' });
  const before = residentBytes();
  await database.$client.query(
    `UPDATE dokku_api.commands SET state = 'succeeded', ok = true, output = repeat('x', 24000000), ran_at = now(),
      changed_in = pg_current_xact_id() WHERE token = $1`,
    [token],
  );
  for (const { socket } of followers) {
    socket.once('data', () => socket.pause());
    socket.resume();
  }
  await waitFor(() => followers.every(({ socket }) => socket.bytesRead > 10_000), {
    describe: 'the result to be on its way',
  });
  expect(residentBytes() - before).toBeLessThan(300 * kibibyte * kibibyte);
  for (const { socket } of followers) socket.destroy();
});
