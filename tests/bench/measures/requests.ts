/** What the web process does alone, against a Hono handler with one prepared statement. */
import { request } from 'undici';
import { freePort } from '../../../lib/local/port.ts';
import type { Comparison, Measure } from '../comparison.ts';
import { watchCounters } from '../counters.ts';
import type { Ground } from '../ground.ts';
import { startInstallation } from '../installation.ts';
import { repeated, timed } from '../statistics.ts';

const form = { 'content-type': 'application/x-www-form-urlencoded' };
const body = 'cmd=apps%3Alist';

export function requestMeasures(ground: Ground): Measure[] {
  /** Both in turn: how many a second. The bare handler has a database of its own, with the same rows. */
  const compare = async (rounds: number, row: Comparison, connections: number, count: number, read: boolean) => {
    const installation = await startInstallation(ground, { workers: 0, connections });
    const port = await freePort();
    const bare = await ground.start({
      ...{ name: 'bare-web', script: 'tests/bench/bare-web.ts', ready: 'listening' },
      args: [await ground.createDatabase(), String(port)],
    });
    try {
      const bareUrl = `http://127.0.0.1:${port}`;
      const ask = async (url: string, path: string, method: 'GET' | 'POST') => {
        const answer = await request(url + path, {
          ...{ method, dispatcher: installation.agent, body: method === 'POST' ? body : null },
          headers: { ...installation.headers, ...form },
        });
        const text = await answer.body.text();
        if (answer.statusCode >= 300) throw new Error(`${path} answered ${answer.statusCode}: ${text}`);
        return text;
      };
      const path = async (url: string) =>
        `/commands/${(JSON.parse(await ask(url, '/commands', 'POST')) as { token: string }).token}`;
      const ours = read ? await path(installation.url) : '/commands';
      const theirs = read ? await path(bareUrl) : '/commands';
      const method = read ? 'GET' : 'POST';
      const rate = async (url: string, path: string) => {
        const began = performance.now();
        await timed(
          repeated(() => ask(url, path, method), count),
          connections,
        );
        return count / ((performance.now() - began) / 1000);
      };
      for (let round = 0; round <= rounds; round++) {
        const assertCounted = read ? undefined : await watchCounters(ground, installation);
        const rates = [await rate(installation.url, ours), await rate(bareUrl, theirs)] as const;
        await assertCounted?.(count);
        // The first one warms up.
        if (round === 0) continue;
        row.ours.push(rates[0]);
        row.theirs.push(rates[1]);
      }
      return [row];
    } finally {
      await bare.end();
      await installation.end();
    }
  };

  const accept = (connections: number) => (rounds: number) =>
    compare(
      rounds,
      {
        ...{ measure: `POST accepted, ${connections} connections`, unit: 'requests/s' },
        ...{ against: 'a bare handler with one prepared insert', ours: [], theirs: [], bound: { atLeast: 1 } },
      },
      connections,
      5000,
      false,
    );
  const readOne = (rounds: number) =>
    compare(
      rounds,
      {
        ...{ measure: 'GET one, 32 connections', unit: 'requests/s' },
        ...{ against: 'a bare handler with one prepared select', ours: [], theirs: [], bound: { atLeast: 0.75 } },
      },
      32,
      10_000,
      true,
    );
  return [
    { name: 'accept-32', run: accept(32) },
    { name: 'accept-128', run: accept(128) },
    { name: 'read', run: readOne },
  ];
}
