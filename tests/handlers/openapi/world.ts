import { sql } from 'drizzle-orm';
import type { WireCommand } from '../../../lib/command.ts';
import type { NewKey } from '../../../lib/key.ts';
import { createDatabase } from '../../support/database.ts';
import { startProxy, type TestProxy } from '../../support/proxy.ts';
import { startTestRedis, type TestRedis } from '../../support/redis.ts';
import { type Answer, type Sending, send } from '../../support/send.ts';
import { type Claimed, type ClientKey, type Ending, startWeb, type Web } from '../web.ts';

export const form = { 'Content-Type': 'application/x-www-form-urlencoded' };

/** Web processes in each of the conditions that the document has answers for. */
export interface World {
  web: Web;
  /** An admin's. */
  key: ClientKey;
  /** Reaches the same Postgres and a Redis of its own, which may be cut off. */
  frail: Web;
  postgres: TestProxy;
  redis: TestRedis;
  /** Whose table of keys is gone: a defect, as far as requests can see. */
  broken: { web: Web; key: ClientKey };
  /** The headers of a key that may less; the same for the same options. */
  credentials(options: Partial<NewKey>): Promise<ClientKey['headers']>;
  /** The headers of a key whose requests are used up. */
  exhausted(): Promise<ClientKey['headers']>;
  send(sending: Sending): Promise<Answer>;
  post(fields: Record<string, string>, headers?: Record<string, string>): Promise<Answer>;
  /** A command that is `queued`. */
  queued(fields?: Record<string, string>, headers?: Record<string, string>): Promise<WireCommand>;
  /** Claims a command, after running those before it. */
  claim(token: string, server?: string): Promise<Claimed>;
  /** A command that a worker has claimed; it ends when the next one is claimed. */
  running(fields?: Record<string, string>): Promise<{ token: string }>;
  /** A command that has ended. */
  ended(ending?: Ending, fields?: Record<string, string>, headers?: Record<string, string>): Promise<WireCommand>;
}

const settings = { DOKKU_SERVERS: 'eu=/run/eu.sock', TRUSTED_PROXIES: '1', CALLBACK_ALLOW: '127.0.0.1' };

export async function createWorld(): Promise<World> {
  const [database, gone, redis, own] = await Promise.all([
    createDatabase(),
    createDatabase(),
    startTestRedis(),
    startTestRedis(),
  ]);
  const postgres = await startProxy({ target: database.url });
  const timing = { syncBlankMs: 50 };
  const start = (databaseUrl: string, redisUrl = redis.url) => startWeb({ databaseUrl, redisUrl, settings, timing });
  const [web, frail, brokenWeb] = await Promise.all([
    start(database.url),
    start(postgres.url(database.url), own.url),
    start(gone.url),
  ]);
  const key = await web.key({ role: 'admin', rateLimit: 1_000_000 });
  const broken = { web: brokenWeb, key: await brokenWeb.key({ role: 'admin', rateLimit: 1_000_000 }) };
  // What is asked for is no number, so that every look-up of a key is refused.
  await brokenWeb.deps.database.execute(
    sql`alter table dokku_api.keys alter column api_key type integer using id::integer`,
  );

  const keys = new Map<string, Promise<ClientKey>>();
  let usedUp: Promise<ClientKey> | undefined;
  let held: Claimed | undefined;
  const end = async () => {
    if (held !== undefined) await web.finish(held, { output: '' });
    held = undefined;
  };

  const world: World = {
    web,
    key,
    frail,
    postgres,
    redis: own,
    broken,
    credentials: async (options) => {
      const name = JSON.stringify(options);
      const made = keys.get(name) ?? web.key({ ...options, rateLimit: 1_000_000 });
      keys.set(name, made);
      return (await made).headers;
    },
    exhausted: async () => {
      usedUp ??= exhaust(web);
      return (await usedUp).headers;
    },
    send: (sending) => send(web.url, { ...sending, headers: { ...key.headers, ...sending.headers } }),
    post: (fields, headers = {}) =>
      world.send({
        method: 'POST',
        path: '/commands',
        headers: { ...form, ...headers },
        body: new URLSearchParams(fields).toString(),
      }),
    queued: async (fields = { cmd: 'apps:list' }, headers = {}) =>
      JSON.parse((await world.post(fields, headers)).body) as WireCommand,
    claim: async (token, server) => {
      await end();
      for (;;) {
        const claimed = await web.claimOldest(server);
        if (claimed.token === token) return claimed;
        await web.finish(claimed, { output: '' });
      }
    },
    running: async (fields) => {
      const { token } = await world.queued(fields);
      held = await world.claim(token);
      return { token };
    },
    ended: async (ending = { output: 'ok' }, fields, headers) => {
      const { token } = await world.queued(fields, headers);
      await web.finish(await world.claim(token, fields?.server), ending);
      return JSON.parse((await world.send({ path: `/commands/${token}` })).body) as WireCommand;
    },
  };
  return world;
}

async function exhaust(web: Web): Promise<ClientKey> {
  const key = await web.key();
  const { rateLimiter, config } = web.deps;
  await Promise.all(Array.from({ length: config.rateLimit }, () => rateLimiter.count(key.publicId)));
  return key;
}
