/** How each answer that is no error is had, by operation, status, media type and example. */

import { waitFor } from '../../support/process.ts';
import { type Answer, send } from '../../support/send.ts';
import { openEvents } from '../event-reader.ts';
import type { Ending } from '../web.ts';
import type { World } from './world.ts';

type Success = (world: World) => Promise<Answer>;

const apps: Ending = { output: '=====> My Apps\napi\nhello_world' };
const missing: Ending = { output: ' !     App shop does not exist', ok: false };
const text = { Accept: 'text/plain' };

const read =
  (path: string, headers = {}): Success =>
  (world) =>
    world.send({ path, headers });
const ofEnded = (ending: Ending, fields?: Record<string, string>, headers = {}): Success => {
  return async (world) => {
    const { token } = await world.ended(ending, fields);
    return await world.send({ path: `/commands/${token}`, headers });
  };
};
const retry = (method: string): Success => {
  return async (world) => {
    const { token } = await world.ended(apps);
    return await world.send({ method, path: `/commands/${token}/retry` });
  };
};

/** An event stream's head, and its first event of one command: others may be told of again, as they ended before. */
async function firstEvent(
  url: string,
  headers: Record<string, string>,
  token: string,
  cause: () => Promise<unknown>,
): Promise<Answer> {
  const leaving = new AbortController();
  const response = await fetch(url, { headers, signal: leaving.signal });
  const caused = cause();
  let text = '';
  let event: string | undefined;
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString();
    event = text.match(/^event: .*\nid: .*\ndata: .*\n\n/gm)?.find((told) => told.includes(token));
    if (event !== undefined) break;
  }
  await caused;
  leaving.abort();
  return { status: response.status, headers: Object.fromEntries(response.headers), body: event ?? text };
}

/** A callback that was taken at the first attempt, as read, or as sent again. */
async function delivered(world: World, method: string): Promise<Answer> {
  const { deliveries } = world.web.deps;
  const { token } = await world.ended(apps, { cmd: 'apps:list', callback_url: 'http://127.0.0.1:9/done' });
  for (const { delivery } of await deliveries.takeDue(100, 100, [])) {
    await deliveries.recordAttempt(delivery, {
      status: 204,
      error: null,
      durationMs: 87,
      state: 'delivered',
      nextAfterMs: null,
    });
  }
  return await world.send({ method, path: `/commands/${token}/deliveries` });
}

/** One server, with the worker that the commands of these tests are run as; it lives. */
async function readServers(world: World): Promise<Answer> {
  const { leases } = world.web.deps;
  const id = 'worker-of-the-test';
  await leases.register({ id, servers: ['default'], host: 'test', version: '1' });
  await leases.beat(id, []);
  return await read('/servers', await world.credentials({ servers: ['default'] }))(world);
}

/** Readiness, as soon as it is as it must become. */
async function ready(world: World, status: string, harm: () => void): Promise<Answer> {
  const { leases } = world.web.deps;
  await leases.register({ id: 'ready', servers: ['default', 'eu'], host: 'test', version: '1' });
  await leases.beat('ready', []);
  harm();
  try {
    return await waitFor(
      async () => {
        const answer = await send(world.frail.url, { path: '/readyz' });
        return (JSON.parse(answer.body) as { status: string }).status === status && answer;
      },
      { describe: `readiness to be ${status}` },
    );
  } finally {
    world.redis.resume();
    await world.postgres.allow();
  }
}

export const successes: Record<string, Success> = {
  'createCommand 202 application/json example': (world) => world.post({ cmd: 'apps:list' }),
  'createCommand 200 application/json example': async (world) => {
    const answer = world.post({ cmd: 'apps:list', sync: 'true' });
    await waitFor(() => world.web.deps.waiters.size > 0, { describe: 'the request to wait' });
    const [{ token = '' } = {}] = JSON.parse((await world.send({ path: '/commands?order=desc&limit=1' })).body);
    await world.web.finish(await world.claim(token), apps);
    return await answer;
  },
  'listCommands 200 application/json example': async (world) => {
    const { id } = await world.ended(apps);
    await world.ended(missing, { cmd: 'ps:restart shop' });
    return await world.send({ path: `/commands?after=${id - 1}` });
  },
  'getCommand 200 application/json queued': async (world) =>
    world.send({ path: `/commands/${(await world.queued()).token}` }),
  'getCommand 200 application/json succeeded': ofEnded(apps),
  'getCommand 200 application/json failed': ofEnded(missing, { cmd: 'ps:restart shop' }),
  'getCommand 200 application/json timed_out': ofEnded(
    { reason: 'command_timed_out' },
    { cmd: 'ps:rebuild api', server: 'eu' },
  ),
  'getCommand 200 application/json structured': ofEnded(
    { output: '["api","hello_world"]' },
    { cmd: 'apps:list --format json' },
  ),
  'getCommand 200 text/plain example': ofEnded(apps, undefined, text),
  'getCommand 202 text/plain example': async (world) =>
    world.send({ path: `/commands/${(await world.queued()).token}`, headers: text }),
  'cancelCommand 200 application/json example': async (world) =>
    world.send({ method: 'DELETE', path: `/commands/${(await world.queued()).token}` }),
  'streamCommand 200 text/event-stream example': async (world) => {
    const { token } = await world.ended(apps);
    return await world.send({ path: `/commands/${token}/events` });
  },
  'streamCommand 204': async (world) => {
    const { token } = await world.ended(apps);
    const stream = await openEvents(`${world.web.url}/commands/${token}/events`, world.key.headers);
    await stream.end;
    return await world.send({ path: `/commands/${token}/events`, headers: { 'Last-Event-ID': stream.lastEventId } });
  },
  'streamCommands 200 text/event-stream example': async (world) => {
    const { token } = await world.queued();
    const claimed = await world.claim(token);
    return await firstEvent(`${world.web.url}/events`, world.key.headers, token, () => world.web.finish(claimed, apps));
  },
  'retryCommand 202 application/json example': retry('POST'),
  'retryCommandByGet 202 application/json example': retry('GET'),
  'listDeliveries 200 application/json example': (world) => delivered(world, 'GET'),
  'sendCallbackAgain 202 application/json example': (world) => delivered(world, 'POST'),
  'listServers 200 application/json idle': async (world) => {
    await world.ended(apps);
    return await readServers(world);
  },
  'listServers 200 application/json busy': async (world) => {
    await world.running({ cmd: 'ps:rebuild api' });
    await world.queued();
    return await readServers(world);
  },
  'readHealth 200 application/json example': read('/healthz'),
  'readReadiness 200 application/json ok': (world) => ready(world, 'ok', () => undefined),
  'readReadiness 200 application/json degraded': (world) => ready(world, 'degraded', () => world.redis.pause()),
  'readReadiness 503 application/json example': (world) => {
    return ready(world, 'unavailable', () => {
      world.postgres.refuse();
      world.postgres.cut();
    });
  },
  'readMetrics 200 text/plain example': read('/metrics'),
  'readDocument 200 application/json': read('/openapi.json'),
  'readDocs 200 text/html': read('/docs'),
};

/** Answers with headers that those above do not have, by operation. */
export const more: Record<string, (world: World) => Promise<Answer[]>> = {
  listCommands: async (world) => [
    await world.send({ path: '/commands' }),
    await world.send({ path: '/commands?limit=1' }),
  ],
  createCommand: async (world) => {
    const replay = () => world.post({ cmd: 'apps:list' }, { 'Idempotency-Key': 'again' });
    const late = world.post({ cmd: 'apps:list', sync: 'true' }, { 'Idempotency-Key': 'late' });
    await waitFor(() => world.web.deps.waiters.size > 0, { describe: 'the request to wait' });
    const { token } = await world.queued();
    // Long enough for a blank to go ahead of the answer.
    const from = performance.now();
    await waitFor(() => performance.now() - from > 200, { describe: 'time to pass' });
    await world.web.finish(await world.claim(token), apps);
    const replayed = await world.post({ cmd: 'apps:list', sync: 'true' }, { 'Idempotency-Key': 'late' });
    return [await replay(), await replay(), await late, replayed];
  },
  retryCommand: async (world) => {
    const { token } = await world.ended(apps);
    const path = `/commands/${token}/retry`;
    const replay = () => world.send({ method: 'POST', path, headers: { 'Idempotency-Key': 'retried' } });
    return [await replay(), await replay()];
  },
  sendCallbackAgain: async (world) => {
    const { token } = await world.ended(apps, { cmd: 'apps:list', callback_url: 'http://127.0.0.1:9/' });
    const path = `/commands/${token}/deliveries`;
    const replay = () => world.send({ method: 'POST', path, headers: { 'Idempotency-Key': 'resent' } });
    return [await replay(), await replay()];
  },
};
