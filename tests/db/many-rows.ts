import pg from 'pg';

/** Ids up to here are final commands; one of a thousand is of the server `us`, one of about a thousand `rare`'s. */
export const finalCommands = 1_000_000;
/** Waiting behind them, 99 of a hundred on the server `default`. */
export const queuedCommands = 100_000;
/** The first commands were lost, and no later ones. */
const lostCommands = 500;
/** Ten of the command lines have this. */
export const rareWord = 'needle';
const needleEvery = 99_991;
/** Deliveries of the last final commands: a million is more than a test has time for. */
const deliveredCallbacks = 300_000;
export const dueCallbacks = 100_000;
export const busyHost = 'receiver.example';

/** A command was accepted every ten seconds. */
export function acceptedAt(id: number): Date {
  return new Date(Date.UTC(2024, 0, 1) + id * 10_000);
}
const acceptedAtSql = "timestamptz '2024-01-01T00:00:00Z' + n * interval '10 seconds'";

const commands = `
  insert into dokku_api.commands (id, token, server, command, state, reason, ok, output, timeout_seconds, created_at,
    started_at, ran_at, duration_ms, key_id, created_by, owner, epoch)
  select n, lpad(to_hex(n), 64, '0'),
    case when n % 1000 = 0 then 'us' when n % 5 = 0 then 'eu' else 'default' end,
    (array['ps:restart', 'config:set --no-restart', 'apps:report', 'ps:scale', 'git:sync', 'logs'])[1 + n % 6]
      || ' app-' || n % 997 || case when n % ${needleEvery} = 0 then ' ${rareWord}' else '' end,
    state, reason, state = 'succeeded', 'done', 600, at, at, at + interval '1 second', 1000, 1, 'key_test',
    case when n % 1009 = 0 then 'rare' when n % 10 = 0 then 'team' else 'default' end, 1
  from generate_series(1, ${finalCommands}) n
  cross join lateral (select ${acceptedAtSql} as at,
    case when n <= ${lostCommands} then 'lost' when n % 16 = 1 then 'failed' when n % 199 = 0 then 'timed_out' else 'succeeded' end
    as state) made
  cross join lateral (select case state when 'lost' then 'command_lost' when 'timed_out' then 'command_timed_out' end as reason) why`;

const queue = `
  insert into dokku_api.commands (id, token, server, command, timeout_seconds, created_at, key_id, created_by, owner)
  select n, lpad(to_hex(n), 64, '0'), case when n % 100 = 0 then 'eu' else 'default' end, 'ps:restart app-' || n % 997,
    600, ${acceptedAtSql}, 1, 'key_test', 'default'
  from generate_series(${finalCommands + 1}, ${finalCommands + queuedCommands}) n`;

/** Two of three go to one host; those that are due are of the newest commands. */
const callbacks = `
  insert into dokku_api.deliveries (command_id, webhook_id, url, host, key_id, state, attempt, next_at, created_at, ended_at)
  select n, 'msg_' || n, 'https://receiver.example/', case when n % 3 = 0 then 'host-' || n % 200 else '${busyHost}' end, 1,
    case when due then 'pending' else 'delivered' end, 1,
    case when due then now() - (${finalCommands} - n) * interval '1 millisecond' end, now(), case when not due then now() end
  from generate_series(${finalCommands - dueCallbacks - deliveredCallbacks + 1}, ${finalCommands}) n
  cross join lateral (select n > ${finalCommands - dueCallbacks} as due) made`;

const remembered = `
  insert into dokku_api.idempotency_keys (key_id, idempotency_key, fingerprint, token, created_at)
  select 1, 'request ' || n, '\\x00', lpad(to_hex(n), 64, '0'), now() - n * interval '1 second' from generate_series(1, 100000) n`;

const key = `
  insert into dokku_api.keys (public_id, api_key, secret_hash, sealed_signing_secret) values ('key_test', 'test', '\\x00', 'sealed')`;

/** Runs statements on a connection of its own, without the look at foreign keys. */
async function runAll(url: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await client.query("SET maintenance_work_mem = '256MB'; SET session_replication_role = replica");
    await work(client);
  } finally {
    await client.end();
  }
}

/** Fills a migrated database in seconds. */
export async function fillWithManyRows(url: string): Promise<void> {
  await fillBehindIndexes(url, [key, commands, callbacks, remembered]);
}

/** Runs statements that add many rows: the indexes are made behind them, by their own definitions. */
export async function fillBehindIndexes(url: string, statements: readonly string[]): Promise<void> {
  await runAll(url, async (client) => {
    const { rows } = await client.query<{ name: string; definition: string }>(
      `select indexname as name, indexdef as definition from pg_indexes
       where schemaname = 'dokku_api' and tablename in ('commands', 'deliveries') and indexname not like '%_pkey'`,
    );
    for (const { name } of rows) await client.query(`DROP INDEX dokku_api.${name}`);
    for (const statement of statements) await client.query(statement);
    for (const { definition } of rows) await client.query(definition);
    for (const table of ['commands', 'deliveries', 'idempotency_keys']) {
      await client.query(`VACUUM ANALYZE dokku_api.${table}`);
    }
  });
}

/** Adds the waiting commands, and lets Postgres know how many there are: plans for long queues differ. */
export async function addLongQueue(url: string): Promise<void> {
  await runAll(url, async (client) => {
    await client.query(queue);
    await client.query('ANALYZE dokku_api.commands');
  });
}
