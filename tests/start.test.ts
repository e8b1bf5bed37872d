import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, inject, test } from 'vitest';
import { endProcess, processesBelow } from '../lib/local/process-table.ts';
import { freePort, waitFor } from './support/process.ts';
import { type } from './support/terminal.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const sources = ['handlers', 'lib', 'db', 'worker', 'package.json', 'tsconfig.json', 'build.ts', 'biome.json'];
const isRoot = process.getuid?.() === 0;
const nobody = 65534;

/** A checkout after `npm ci`, in a path with blanks; below a folder that only its owner may enter, where that is root. */
function checkout(uid?: number): string {
  const above = mkdtempSync(join(inject('runFolder'), 'a "closed" folder '));
  const folder = join(above, 'dokku api');
  mkdirSync(folder);
  for (const name of sources) cpSync(join(root, name), join(folder, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  mkdirSync(join(folder, '.local'));
  // There is none where a Redis is installed.
  const cache = inject('cacheFolder');
  if (existsSync(cache)) cpSync(cache, join(folder, '.local', 'cache'), { recursive: true });
  if (uid !== undefined) for (const path of [above, folder, join(folder, '.local')]) chownSync(path, uid, uid);
  chmodSync(above, 0o700);
  return folder;
}

/** What the newcomer does: pastes the line that was printed. */
async function paste(curl: string, folder: string) {
  const typed = type(curl, { folder });
  await typed.ended;
  const body = await waitFor(() => /\{.*\}/.exec(typed.output())?.[0], { describe: 'an answer' });
  return JSON.parse(body) as { token: string; state: string; result_data: { ok: boolean; output: string } };
}

const names = ['node', 'postgres', 'redis-server', 'valkey-server'];

describe.each(isRoot ? [undefined, nobody] : [undefined])('npm start, as uid %s', (uid) => {
  const who = uid === undefined ? {} : { uid };

  test('runs a command by the printed curl, keeps it over kill -9 of everything, and ends whole at Ctrl-C', async () => {
    const folder = checkout(uid);
    const env = { PORT: String(await freePort()) };
    const start = () => type('npm start', { folder, env, ...who });

    const first = start();
    const [curl = ''] = await first.shows(/curl -H .*\/commands/);
    expect(first.output()).toContain('STAND-IN');
    const answer = await paste(curl, folder);
    expect(answer).toMatchObject({
      state: 'succeeded',
      result_data: { ok: true, output: '=====> My Apps\napi\ndokku-api\nhello_world' },
    });

    first.signal('SIGKILL');
    await first.ended;
    for (const pid of processesBelow(folder, names)) await endProcess(pid, [['SIGKILL', 5000]]);

    const second = start();
    await second.shows(/curl -H .*\/commands/);
    const read = await paste(
      curl.replace(/ -d cmd.*\/commands/, ` http://127.0.0.1:${env.PORT}/commands/${answer.token}`),
      folder,
    );
    expect(read).toEqual(answer);
    expect((await paste(curl, folder)).state).toBe('succeeded');

    second.signal('SIGINT');
    await second.ended;
    await waitFor(() => processesBelow(folder, names).length === 0, { describe: 'every process to be gone' });
  }, 90_000);
});

test('a taken port is one line', async () => {
  const server = createServer();
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
  const typed = type('node dist/handlers/cli/start.js', { folder: root, env: { PORT: String(port) } });
  expect((await typed.ended).code).toBe(1);
  server.close();
  expect(typed.output().trim()).toBe(
    `Port ${port} of 127.0.0.1 is taken: end what uses it, or choose another, as in PORT=3001 npm start`,
  );
});

test('a malformed setting is one line that names it', async () => {
  const typed = type('node dist/handlers/cli/start.js', { folder: root, env: { PORT: 'many' } });
  expect((await typed.ended).code).toBe(1);
  expect(typed.output().trim()).toBe('PORT is malformed: expected a port number from 0 to 65535');
});
