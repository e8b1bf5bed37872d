import { readFileSync } from 'node:fs';
import pg from 'pg';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { connectDatabase, type Database } from '../../db/client.ts';
import { createCommands } from '../../db/commands.ts';
import { createKeys } from '../../db/keys.ts';
import { release as runRelease } from '../../db/release.ts';
import { toWire } from '../../lib/command.ts';
import { hashSecret, verifySecret } from '../../lib/credentials.ts';
import { createReplyDecoder } from '../../lib/daemon/reply.ts';
import { createSeal } from '../../lib/seal.ts';
import { startProcess, waitFor } from '../support/process.ts';
import { createRubyDatabase, rubyToken } from './ruby-database.ts';

const SECRET_KEY = 'a key of the tests with more than 32 characters';
const apiKey = '0123456789abcdef0123456789abcdef';
const apiSecret = 'fedcba9876543210fedcba9876543210';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function rubyDatabase() {
  const ruby = await createRubyDatabase();
  ends.push(ruby.end);
  const database: Database = connectDatabase(ruby.url, {
    maximum: 2,
    onError: (error) => {
      throw error;
    },
  });
  ends.push(() => database.$client.end());
  const commands = createCommands(database);
  const imported = async (id: number) => {
    const row = await commands.findByToken(rubyToken(id));
    if (row === null) throw new Error(`command ${id} is not there`);
    return toWire(row);
  };
  return { ...ruby, database, imported };
}

/** Runs it to its end, and returns what it printed. */
async function release(url: string, environment: NodeJS.ProcessEnv = { SECRET_KEY }): Promise<string> {
  return await runRelease({ DATABASE_URL: url, ...environment });
}

describe('keys', () => {
  test('work with the secrets that they have, and are those of one who may run every command', async () => {
    const { url, database, addKey, fingerprint } = await rubyDatabase();
    await addKey(apiKey, apiSecret);
    await addKey(apiKey, 'the same key again');
    await addKey(null, apiSecret);
    await addKey('not of the form', apiSecret);
    const before = await fingerprint();
    expect((await release(url)).split('\n')).toEqual([
      'Migrations are applied.',
      'Taken over from the Ruby app: keys 1, commands 0 (lost for want of a result: 0), late results 0.',
      'Callbacks are signed, and nobody has seen the signing secrets of these keys: a receiver that verifies gets one by',
      'npm run -s keys:rotate -- <api key> --signing-secret (the API secret stays).',
      'Left out, since no request can bear them: keys 2. Make new ones with keys:generate.',
    ]);
    const seal = createSeal([SECRET_KEY], 'signing-secret');
    const keys = createKeys(database, seal);
    const stored = await keys.find(apiKey);
    expect(verifySecret(hashSecret(apiSecret), stored)).toBe(true);
    expect(await keys.list()).toMatchObject([{ apiKey, role: 'run', owner: 'default', rules: null, servers: null }]);
    const { rows } = await database.$client.query('SELECT public_id, sealed_signing_secret FROM dokku_api.keys');
    expect(seal.open(rows[0].sealed_signing_secret, rows[0].public_id)).toMatch(/^whsec_/);
    expect(await fingerprint()).toEqual(before);
  });

  test('stay deleted, or as they were rotated, when it is done again', async () => {
    const { url, database, addKey } = await rubyDatabase();
    await addKey(apiKey, apiSecret);
    await release(url);
    const keys = createKeys(database, createSeal([SECRET_KEY], 'signing-secret'));
    await keys.rotate(apiKey, 0);
    await keys.delete(apiKey);
    const before = await database.$client.query('SELECT * FROM dokku_api.keys');
    expect(await release(url)).toContain('keys 0, ');
    expect((await database.$client.query('SELECT * FROM dokku_api.keys')).rows).toEqual(before.rows);
    expect(verifySecret(hashSecret(apiSecret), await keys.find(apiKey))).toBe(false);
  });

  test('need SECRET_KEY, and nothing else does', async () => {
    const { url, addKey, addCommand } = await rubyDatabase();
    await addCommand();
    expect(await release(url, {})).toContain('commands 1 ');
    await addKey(apiKey, apiSecret);
    const process = startProcess({ script: 'db/migrate.ts', env: { DATABASE_URL: url } });
    expect(await process.exit).toMatchObject({ code: 1 });
    expect(process.stderr()).toBe(
      "SECRET_KEY is missing: expected 32 or more random characters (while it is being changed: new,old). It seals the signing secrets that the Ruby app's keys are given\n",
    );
    expect(await release(url)).toContain('keys 1, commands 0 ');
    expect(await release(url, {})).toContain('keys 0, commands 0 ');
  });
});

describe('commands', () => {
  const lost = { state: 'lost', reason: 'command_lost', result_data: { ok: false, output: 'command_lost' } };
  const timedOut = { ok: false, output: 'command_timed_out' };

  const results: [string, string | null, object][] = [
    [
      'a reply',
      '{"ok":true,"output":"=====> My Apps\\napi"}\n',
      { state: 'succeeded', reason: null, result_data: { ok: true, output: '=====> My Apps\napi' } },
    ],
    [
      'a failure',
      '{"ok":false,"output":"Invalid command"}\n',
      { state: 'failed', reason: null, result_data: { ok: false, output: 'Invalid command' } },
    ],
    [
      'without its end of line',
      '{"ok":true,"output":""}',
      { state: 'succeeded', result_data: { ok: true, output: '' } },
    ],
    [
      'escapes that JSON does not know',
      '{"ok":true,"output":"C:\\temp \\d \\u0041"}',
      { result_data: { ok: true, output: 'C:\\temp \\d \\u0041' } },
    ],
    [
      'raw control characters',
      '{"ok":true,"output":"\u001b[1G\u001b[31mred\t"}',
      { result_data: { ok: true, output: '\u001b[31mred\t' } },
    ],
    [
      'JSON in it',
      '{"ok":true,"output":"{\\"FOO\\":\\"bar\\\\"baz\\"}"}',
      { result_data: { ok: true, output: '{"FOO":"bar\\"baz"}' } },
    ],
    [
      'the end of the Ruby app’s patience',
      JSON.stringify(timedOut),
      { state: 'timed_out', reason: 'command_timed_out', result_data: timedOut },
    ],
    ['no result', null, lost],
    ['an empty one', '', lost],
    ['one that is cut', '{"ok":true,"output":"half of i', lost],
    ['something else', 'oops', lost],
  ];

  test('have what became of them, and no callback is sent', async () => {
    const { url, addCommand, imported, fingerprint, rows } = await rubyDatabase();
    const ids = [];
    for (const [, result] of results) {
      ids.push(await addCommand({ result, ranAt: '2017-03-15 15:13:47', callbackUrl: 'http://receiver.example/' }));
    }
    const before = await fingerprint();
    const started = Date.now();
    await release(url);
    for (const [index, [name, , expected]] of results.entries()) {
      const id = ids[index] as number;
      const command = await imported(id);
      expect(command, name).toMatchObject({
        id,
        token: rubyToken(id),
        command: 'apps:list',
        created_at: '2017-03-15T15:13:45+00:00',
        server: 'default',
        callback_url: 'http://receiver.example/',
        timeout: 60,
        started_at: null,
        duration_ms: null,
        retry_of: null,
        late_result_data: null,
        output_truncated: false,
        created_by: 'key_unknown',
        ...expected,
      });
      // What became lost did so by this release.
      if (command.state === 'lost') expect(Date.parse(command.ran_at ?? '')).toBeGreaterThanOrEqual(started - 1000);
      else expect(command.ran_at).toBe('2017-03-15T15:13:47+00:00');
    }
    expect(await rows('SELECT * FROM dokku_api.deliveries')).toEqual([]);
    expect(await fingerprint()).toEqual(before);
  });

  test('every recorded reply is read as the worker would read it', async () => {
    const { url, addCommand, imported } = await rubyDatabase();
    const replies = readFileSync(new URL('../fixtures/daemon-golden.jsonl', import.meta.url), 'utf8')
      .trim()
      .split('\n')
      .map((line) => Buffer.from((JSON.parse(line) as { reply_b64: string }).reply_b64, 'base64'))
      .filter(
        (reply) =>
          reply.toString('utf8').length > 0 && !reply.toString('utf8').includes('\ufffd') && !reply.includes(0),
      );
    expect(replies.length).toBeGreaterThan(70);
    const ids = [];
    for (const reply of replies) ids.push(await addCommand({ result: reply.toString('utf8') }));
    await release(url);
    for (const [index, id] of ids.entries()) {
      const reply = createReplyDecoder({ maximumOutputBytes: 8_388_608, dialect: 'dokku-daemon' }).push(
        replies[index] as Buffer,
      );
      if (reply === undefined || reply === 'malformed') throw new Error('a recorded reply is not one');
      expect((await imported(id)).result_data).toEqual({ ok: reply.ok, output: reply.output });
    }
  });

  test('long results are cut as the worker’s are, and those that only look long are not', async () => {
    const { url, addCommand, imported } = await rubyDatabase();
    const long = await addCommand({ result: `{"ok":true,"output":"${'é'.repeat(100_000)}"}\n` });
    const escapes = await addCommand({ result: `{"ok":true,"output":"${'\\n'.repeat(1024)}"}\n` });
    const broken = await addCommand({ result: `{"ok":true,"output":"${'x'.repeat(100_000)}` });
    await release(url, { SECRET_KEY, RESULT_MAX_BYTES: '1024' });
    expect(await imported(long)).toMatchObject({
      output_truncated: true,
      result_data: { ok: true, output: 'é'.repeat(512) },
    });
    expect(await imported(escapes)).toMatchObject({
      output_truncated: false,
      result_data: { output: '\n'.repeat(1024) },
    });
    expect(await imported(broken)).toMatchObject({ state: 'lost' });
  });

  test('a daemon of true JSON is read as such', async () => {
    const { url, addCommand, imported } = await rubyDatabase();
    const id = await addCommand({ result: '{"ok": true, "output": "a\\tb"}' });
    await release(url, { SECRET_KEY, DOKKU_DAEMON_JSON: 'default' });
    expect((await imported(id)).result_data).toEqual({ ok: true, output: 'a\tb' });
  });

  test('times that are missing are the nearest ones known, and an empty callback_url is none', async () => {
    const { url, addCommand, imported } = await rubyDatabase();
    const result = '{"ok":true,"output":""}';
    const neverRan = await addCommand({ result, callbackUrl: '' });
    const neverMade = await addCommand({ result, createdAt: null, ranAt: '2018-01-01 00:00:00' });
    await release(url);
    expect(await imported(neverRan)).toMatchObject({ ran_at: '2017-03-15T15:13:45+00:00', callback_url: null });
    expect(await imported(neverMade)).toMatchObject({ created_at: '2018-01-01T00:00:00+00:00' });
  });

  test('new ones get ids far above, and are moved there once', async () => {
    const { url, addCommand, rows } = await rubyDatabase();
    await addCommand({ id: 1234 });
    const newId = async () => {
      const [row] =
        await rows(`INSERT INTO dokku_api.commands (token, server, command, timeout_seconds, key_id, created_by, owner)
        VALUES (gen_random_uuid()::text, 'default', 'apps:list', 60, 1, 'key_test', 'default') RETURNING id::int`);
      return row.id;
    };
    await release(url);
    expect(await newId()).toBe(1_001_235);
    await addCommand({ id: 2345 });
    await release(url);
    expect(await newId()).toBe(1_001_236);
  });

  test('a result that comes later is late, once; the lost state stays', async () => {
    const { url, addCommand, imported, rows } = await rubyDatabase();
    const id = await addCommand();
    const broken = await addCommand({ result: 'oops' });
    const finished = await addCommand({ result: '{"ok":true,"output":"first"}' });
    await release(url);
    const [before] = await rows('SELECT changed_in::text FROM dokku_api.commands WHERE id = $1', [id]);
    const answer = async (output: string, of: number) =>
      await rows('UPDATE public.commands SET result = $2 WHERE id = $1', [of, `{"ok":true,"output":"${output}"}\n`]);
    for (const of of [id, broken, finished]) await answer('late', of);
    expect(await release(url)).toContain('late results 2.');
    const withLate = { state: 'lost', reason: 'command_lost', late_result_data: { ok: true, output: 'late' } };
    expect(await imported(id)).toMatchObject(withLate);
    expect(await imported(broken)).toMatchObject(withLate);
    expect(await imported(finished)).toMatchObject({ result_data: { output: 'first' }, late_result_data: null });
    const [after] = await rows('SELECT changed_in::text FROM dokku_api.commands WHERE id = $1', [id]);
    expect(BigInt(after.changed_in)).toBeGreaterThan(BigInt(before.changed_in));
    for (const of of [id, broken]) await answer('later still', of);
    expect(await release(url)).toContain('late results 0.');
    expect(await imported(id)).toMatchObject(withLate);
  });

  test('done again, it takes what is new and brings nothing back', async () => {
    const { url, addCommand, imported, rows } = await rubyDatabase();
    const first = await addCommand({ result: '{"ok":true,"output":"1"}' });
    const second = await addCommand();
    expect(await release(url)).toContain('commands 2 (lost for want of a result: 1)');
    await rows('DELETE FROM dokku_api.commands WHERE id = $1', [first]);
    const before = await imported(second);
    const third = await addCommand({ result: '{"ok":false,"output":"3"}' });
    expect(await release(url)).toContain('commands 1 (lost for want of a result: 0)');
    expect(await release(url)).toContain('commands 0 ');
    await expect(imported(first)).rejects.toThrow('is not there');
    expect(await imported(second)).toEqual(before);
    expect(await imported(third)).toMatchObject({ state: 'failed' });
  });

  test('one that the Ruby app was about to commit is found the next time', async () => {
    const { url, addCommand, imported, rows } = await rubyDatabase();
    const underWay = new pg.Client(url);
    await underWay.connect();
    onTestFinished(() => underWay.end());
    await underWay.query('BEGIN');
    const { rows: made } = await underWay.query(
      "INSERT INTO public.commands (command) VALUES ('apps:list') RETURNING id",
    );
    const { id } = made[0];
    const after = await addCommand();
    await release(url);
    expect(await imported(after)).toMatchObject({ id: id + 1 });
    await underWay.query('UPDATE public.commands SET token = $2 WHERE id = $1', [id, rubyToken(id)]);
    await underWay.query('COMMIT');
    expect(await release(url)).toContain('commands 1 (lost for want of a result: 1)');
    expect(await imported(id)).toMatchObject({ state: 'lost' });
    expect(await release(url)).toContain('commands 0 ');
    expect(await rows('SELECT through::int, missing FROM dokku_api.ruby_imports')).toEqual([
      { through: id + 1, missing: [] },
    ]);
  });

  test('those whose id or token is taken are left out and counted', async () => {
    const { url, addCommand, imported, rows } = await rubyDatabase();
    const [taken, free] = [await addCommand(), await addCommand()];
    await rows('INSERT INTO public.commands (command) VALUES ($1)', ['without a token']);
    await rows(`INSERT INTO dokku_api.commands (id, token, server, command, timeout_seconds, key_id, created_by, owner)
      VALUES (${taken}, 'of this app', 'default', 'apps:list', 60, 1, 'key_test', 'default')`);
    expect(await release(url)).toContain(
      'Left out, since they have no token, or their id or token is taken: commands 2.',
    );
    expect(await imported(free)).toMatchObject({ state: 'lost' });
    expect(await rows(`SELECT token FROM dokku_api.commands WHERE id = ${taken}`)).toEqual([{ token: 'of this app' }]);
  });

  test('tables of another app that are called so are left alone', async () => {
    const { url, rows } = await rubyDatabase();
    await rows('ALTER TABLE public.keys DROP COLUMN api_secret');
    expect(await release(url)).toBe('Migrations are applied.');
    expect(await rows('SELECT * FROM dokku_api.ruby_imports')).toEqual([]);
  });

  test('killed on the way, it is completed by the next one', async () => {
    const { url, rows } = await rubyDatabase();
    const count = 5000;
    await rows(`INSERT INTO public.commands (token, command, result, created_at)
      SELECT md5(n::text) || md5(n::text), 'apps:list', '{"ok":true,"output":"' || n || '"}', now() FROM generate_series(1, ${count}) n`);
    // A token that is about to be taken stops the third batch.
    const other = new pg.Client(url);
    await other.connect();
    onTestFinished(() => other.end());
    await other.query('BEGIN');
    await other.query(`INSERT INTO dokku_api.commands (id, token, server, command, timeout_seconds, key_id, created_by, owner)
      VALUES (9000000, md5('2500') || md5('2500'), 'default', 'apps:list', 60, 1, 'key_test', 'default')`);
    const process = startProcess({ script: 'db/migrate.ts', env: { DATABASE_URL: url } });
    await waitFor(
      async () =>
        (
          await rows(`SELECT 1 FROM pg_stat_activity WHERE application_name = 'dokku-api release'
      AND datname = current_database() AND wait_event_type = 'Lock'`)
        )[0],
      { describe: 'the third batch', timeout: 20_000 },
    );
    process.signal('SIGKILL');
    await process.exit;
    await other.query('ROLLBACK');
    const stored = async () =>
      (await rows('SELECT count(*)::int, count(DISTINCT id)::int AS ids FROM dokku_api.commands'))[0];
    expect((await stored()).count).toBeGreaterThanOrEqual(2000);
    expect((await stored()).count).toBeLessThan(count);
    await release(url);
    expect(await stored()).toEqual({ count, ids: count });
    expect(await release(url)).toContain('commands 0 ');
  });
});
