/**
 * Whether the time of an answer tells an unknown Api-Key from a wrong Api-Secret: both are asked for in turn, over one
 * connection to a web process of its own. Ends with 1 where the medians differ by a tenth of their spread or more.
 *
 *   npm run -s bench:authentication [-- samples of each, 10000]
 */
import { spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connectDatabase } from '../../db/client.ts';
import { createKeys } from '../../db/keys.ts';
import { migrate } from '../../db/release.ts';
import { freePort } from '../../lib/local/port.ts';
import { startPostgres } from '../../lib/local/postgres.ts';
import { startRedis } from '../../lib/local/redis.ts';
import { createSeal } from '../../lib/seal.ts';

type Kind = 'unknown key' | 'wrong secret';

const samples = Number(process.argv[2] ?? 10_000);
const warmUp = 2000;
const keyCount = 200;
const secretKey = randomBytes(32).toString('hex');
const hexadecimal = () => randomBytes(16).toString('hex');
const ends: (() => unknown)[] = [];

/** Starts a web process of the build over a database with many keys; resolves to its URL and the Api-Keys. */
async function startInstallation(): Promise<{ url: string; apiKeys: string[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'dokku-api-timing-'));
  ends.push(() => rmSync(folder, { recursive: true, force: true }));
  const postgres = await startPostgres({ folder: join(folder, 'postgres') });
  ends.push(postgres.stop);
  const redis = await startRedis({ folder: join(folder, 'redis'), cache: resolve('.local/cache') });
  ends.push(redis.stop);
  await migrate(postgres.url);
  const database = connectDatabase(postgres.url, { maximum: 1, onError: () => undefined });
  const keys = createKeys(database, createSeal([secretKey], 'signing-secret'));
  const apiKeys: string[] = [];
  for (let at = 0; at < keyCount; at++) apiKeys.push((await keys.generate()).apiKey);
  await database.$client.end();

  const port = await freePort();
  const script = fileURLToPath(new URL('../../dist/handlers/server.js', import.meta.url));
  const web = spawn(process.execPath, [script], {
    env: {
      PATH: process.env.PATH,
      DATABASE_URL: postgres.url,
      REDIS_URL: redis.url,
      SECRET_KEY: secretKey,
      PORT: String(port),
      HOST: '127.0.0.1',
      // Each request names another client, for failures are limited per client.
      TRUSTED_PROXIES: '1',
      LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = once(web, 'exit');
  ends.push(() => {
    web.kill();
    return ended;
  });
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; ; tries++) {
    const answer = await fetch(`${url}/healthz`).catch(() => null);
    if (answer?.ok) return { url, apiKeys };
    if (tries === 100 || web.exitCode !== null) throw new Error('The web process does not answer: run npm run build');
    await sleep(100);
  }
}

/** Milliseconds from the request's first byte to the answer's last. */
function ask(url: string, agent: Agent, apiKey: string, client: number): Promise<number> {
  const address = `10.${(client >> 16) & 255}.${(client >> 8) & 255}.${client & 255}`;
  const headers = { 'Api-Key': apiKey, 'Api-Secret': hexadecimal(), 'X-Forwarded-For': address };
  return new Promise((done, failed) => {
    const began = process.hrtime.bigint();
    const outgoing = request(`${url}/commands`, { agent, headers }, (incoming) => {
      incoming.resume().once('end', () => {
        const took = Number(process.hrtime.bigint() - began) / 1e6;
        if (incoming.statusCode === 401) done(took);
        else failed(new Error(`The answer was ${incoming.statusCode}, not 401`));
      });
    });
    outgoing.once('error', failed).end();
  });
}

async function measure(url: string, apiKeys: readonly string[]): Promise<Record<Kind, number[]>> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const times: Record<Kind, number[]> = { 'unknown key': [], 'wrong secret': [] };
  let client = 0;
  for (let round = -warmUp; round < samples; round++) {
    const kinds: Kind[] = ['unknown key', 'wrong secret'];
    // Which one comes first is left to chance, so that no rhythm of the machine meets one kind alone.
    if (randomInt(2) === 0) kinds.reverse();
    for (const kind of kinds) {
      const apiKey = kind === 'unknown key' ? hexadecimal() : (apiKeys[randomInt(apiKeys.length)] ?? '');
      const took = await ask(url, agent, apiKey, client++);
      if (round >= 0) times[kind].push(took);
    }
  }
  agent.destroy();
  return times;
}

function quartiles(numbers: readonly number[]) {
  const sorted = [...numbers].sort((first, second) => first - second);
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN;
  return { median: at(0.5), spread: at(0.75) - at(0.25) };
}

try {
  const { url, apiKeys } = await startInstallation();
  const times = await measure(url, apiKeys);
  const [unknown, wrong] = [quartiles(times['unknown key']), quartiles(times['wrong secret'])];
  const spread = (unknown.spread + wrong.spread) / 2;
  const difference = wrong.median - unknown.median;
  const share = Math.abs(difference) / spread;
  const microseconds = (ms: number) => `${(ms * 1000).toFixed(1)} µs`;
  process.stdout.write(
    [
      `${samples} samples each, in turn, one connection, Node ${process.version}`,
      `unknown key:   median ${microseconds(unknown.median)}, interquartile range ${microseconds(unknown.spread)}`,
      `wrong secret:  median ${microseconds(wrong.median)}, interquartile range ${microseconds(wrong.spread)}`,
      `difference:    ${microseconds(difference)}, ${(share * 100).toFixed(1)} % of the spread`,
      '',
    ].join('\n'),
  );
  if (share >= 0.1) process.exitCode = 1;
} finally {
  for (const end of ends.reverse()) await end();
}
