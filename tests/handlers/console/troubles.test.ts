import { beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { waitFor } from '../../support/process.ts';
import { query } from '../../support/query.ts';
import { startTestRedis, type TestRedis } from '../../support/redis.ts';
import { startWeb, type Web } from '../web.ts';
import { type BrowserSession, signIn } from './browser-session.ts';

let database: TestDatabase;
let redis: TestRedis;
let web: Web;
let session: BrowserSession;

beforeAll(async () => {
  [database, redis] = await Promise.all([createDatabase(), startTestRedis()]);
  web = await startWeb({ databaseUrl: database.url, redisUrl: redis.url });
  session = await signIn(web, await web.key({ role: 'admin', rateLimit: 1000 }));
});

/** What the page says above the rest, as one line. */
async function troublesOn(path: string): Promise<string> {
  const html = await (await session.get(path)).text();
  const [, found = ''] = /<div id="troubles"[^>]*>(.*?)<\/div>\s*<(?:nav|div id|div class="servers")/s.exec(html) ?? [];
  return found
    .replace(/<[^>]+>/g, ' ')
    .replace(/\s+/g, ' ')
    .replace(/ ([.,:])/g, '$1')
    .trim();
}

async function untilTroubles(path: string, text: string): Promise<void> {
  await waitFor(
    async () => {
      expect(await troublesOn(path)).toBe(text);
      return true;
    },
    { describe: `${path} to say: ${text}` },
  );
}

test('the list says why commands wait, until they do not', async () => {
  expect(await troublesOn('/console')).toBe('Nothing runs on default. See what to do No live worker has it.');
  await session.post('/console/commands', { cmd: 'apps:list' });
  const claimed = await web.claimOldest();
  await untilTroubles('/console', '');
  await web.finish(claimed, { reason: 'command_lost' });
  await query(database.url, 'update dokku_api.leases set blocked_since = now()');
  expect(await troublesOn('/console')).toMatch(
    /^Nothing runs on default. See what to do Dokku may still be busy with a command that was given up, for \d+ s.$/,
  );
  await query(database.url, 'update dokku_api.leases set blocked_since = null, unreachable_since = now()');
  expect(await troublesOn('/console')).toMatch(/Its daemon is out of reach, for \d+ s.$/);
  await query(database.url, 'update dokku_api.leases set unreachable_since = null');
  expect(await troublesOn('/console')).toBe('');
});

test('the list and the servers say that migrations are pending, and that Redis is away', async () => {
  const [last] = await query(
    database.url,
    'delete from dokku_api.migrations where id = (select max(id) from dokku_api.migrations) returning hash, created_at',
  );
  const migrate =
    'The database does not have the tables of this version. Apply its migrations: npm run -s migrate, in an app of Dokku by dokku run.';
  for (const path of ['/console', '/console/servers']) await untilTroubles(path, migrate);
  await query(database.url, 'insert into dokku_api.migrations (hash, created_at) values ($1, $2)', [
    last?.hash,
    last?.created_at,
  ]);
  await redis.kill('SIGKILL');
  const away =
    'Redis cannot be used. Commands run all the same, each up to 2 s later. npm run -s doctor says why, and what to do.';
  for (const path of ['/console', '/console/servers']) await untilTroubles(path, away);
  await redis.restart();
  for (const path of ['/console', '/console/servers']) await untilTroubles(path, '');
});

test('what went wrong on our side sends to doctor, in words that need no headers', async () => {
  const empty = await createDatabase();
  const other = await startWeb({ databaseUrl: empty.url, redisUrl: redis.url });
  const own = await signIn(other, await other.key({ role: 'admin' }));
  await query(empty.url, 'alter schema dokku_api rename to elsewhere');
  const answer = await own.get('/console');
  const page = await answer.text();
  expect(answer.status).toBe(503);
  expect(page).toContain('The database does not have the tables of this version');
  expect(page).toContain('<code>npm run -s doctor</code>');

  const limited = await signIn(web, await web.key({ role: 'admin', rateLimit: 1 }));
  await limited.get('/console');
  const refused = await limited.get('/console');
  expect(refused.status).toBe(429);
  expect(await refused.text()).toMatch(/sent as many requests as it may. Try again in \d+ seconds/);
});

test.each([
  ['address_not_allowed', 'CALLBACK_ALLOW does not name it'],
  ['connection_refused', 'Nothing listens there'],
  ['not_sent', 'SECRET_KEY was changed without the old one'],
])('an attempt that ended by %s is explained', async (error, words) => {
  const sent = await session.post('/console/commands', {
    cmd: 'apps:list',
    callback_url: 'https://hooks.example.com/',
  });
  const path = sent.headers.get('location') ?? '';
  await web.runOldest({ output: 'done' });
  await query(
    database.url,
    `insert into dokku_api.attempts (delivery_id, number, error, duration_ms)
     select id, 1, $1, 5 from dokku_api.deliveries order by id desc limit 1`,
    [error],
  );
  const page = await (await session.get(path)).text();
  expect(page).toContain(error);
  expect(page).toContain(words);
});
