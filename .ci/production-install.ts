/**
 * Installs the build as a host does, without development dependencies, and starts every line of the Procfile once as
 * an unprivileged user: release ends well, web and worker run a command between them.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startDaemon } from '../lib/local/daemon.ts';
import { freePort } from '../lib/local/port.ts';
import { startPostgres } from '../lib/local/postgres.ts';
import { startRedis } from '../lib/local/redis.ts';

const unprivileged = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
const folder = mkdtempSync(join(tmpdir(), 'dokku-api-production-'));
const ends: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];

try {
  chmodSync(folder, 0o755);
  for (const name of ['dist', 'package.json', 'package-lock.json', 'Procfile']) {
    cpSync(name, join(folder, name), { recursive: true });
  }
  execFileSync('npm', ['ci', '--omit=dev'], { cwd: folder, stdio: 'inherit' });

  const postgres = await startPostgres({ folder: join(folder, 'postgres') });
  ends.push(() => postgres.stop());
  const redis = await startRedis({ folder: join(folder, 'redis'), cache: resolve('.local/cache') });
  ends.push(() => redis.stop());
  const daemon = await startDaemon({ folder: join(folder, 'daemon'), configured: undefined });
  ends.push(() => daemon.stop());
  for (const path of ['daemon', 'daemon/run']) chmodSync(join(folder, path), 0o755);

  const port = await freePort();
  const environment = {
    PATH: process.env.PATH,
    HOME: folder,
    DATABASE_URL: postgres.url,
    REDIS_URL: redis.url,
    DOKKU_DAEMON_SOCKET: daemon.socketPath,
    SECRET_KEY: 'a secret key for a test that nobody else uses',
    HOST: '127.0.0.1',
    PORT: String(port),
  };
  const options = { cwd: folder, env: environment, ...unprivileged };
  const lines = new Map(
    readFileSync('Procfile', 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.split(/:\s*/, 2) as [string, string]),
  );
  for (const [name, command] of lines) {
    const [program = '', ...args] = command.split(' ');
    if (name === 'release') {
      console.log(`${name}: ${execFileSync(program, args, { ...options, encoding: 'utf8' }).trim()}`);
      continue;
    }
    const child = spawn(program, args, { ...options, stdio: ['ignore', 'inherit', 'inherit'] });
    const ended = once(child, 'exit');
    ends.push(async () => {
      child.kill('SIGTERM');
      const [code] = (await ended) as [number | null];
      if (code !== 0) throw new Error(`${name} ended with ${code} at SIGTERM`);
    });
  }

  const output = execFileSync('npm', ['run', '-s', 'keys:generate'], { ...options, encoding: 'utf8' });
  const [, apiKey = '', apiSecret = ''] = /API KEY: (\w{32}) \| API SECRET: (\w{32})/.exec(output) ?? [];
  const answer = await post(`http://127.0.0.1:${port}/commands?cmd=apps:list&sync=true`, {
    'Api-Key': apiKey,
    'Api-Secret': apiSecret,
  });
  if (answer.result_data?.ok !== true) throw new Error(`the command did not run: ${JSON.stringify(answer)}`);
  console.log(`web and worker: ${answer.command} ${answer.state}`);
} finally {
  for (const end of ends.reverse()) await end();
}

type Answer = { command: string; state: string; result_data: { ok: boolean } | null };

/** Tries until the web process listens. */
async function post(url: string, headers: Record<string, string>): Promise<Answer> {
  for (let tries = 0; ; tries++) {
    try {
      const response = await fetch(url, { method: 'POST', headers });
      return (await response.json()) as Answer;
    } catch (error) {
      if (tries === 200) throw new Error('the web process did not answer', { cause: error });
      await sleep(50);
    }
  }
}
