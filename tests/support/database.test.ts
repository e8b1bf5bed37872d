import pg from 'pg';
import { expect, test } from 'vitest';
import { createDatabase } from './database.ts';
import { waitFor } from './process.ts';
import { query } from './query.ts';

const TABLES = `SELECT table_name FROM information_schema.tables WHERE table_schema = 'dokku_api'`;

test('databases are migrated, apart from each other, and gone once dropped', async () => {
  const [one, two] = await Promise.all([createDatabase(), createDatabase()]);
  expect(await query(one.url, TABLES)).toContainEqual({ table_name: 'commands' });
  await query(one.url, 'CREATE TABLE only_here (n integer)');
  expect(await query(two.url, `SELECT to_regclass('only_here') AS found`)).toEqual([{ found: null }]);

  const connected = new pg.Client(one.url);
  const errors: Error[] = [];
  connected.on('error', (error) => errors.push(error));
  await connected.connect();
  await one.drop();
  expect(await waitFor(() => errors[0], { describe: 'the end of the connection' })).toMatchObject({ code: '57P01' });
  await expect(query(one.url, 'SELECT 1')).rejects.toMatchObject({ code: '3D000' });
  expect(await query(two.url, 'SHOW fsync')).toEqual([{ fsync: 'off' }]);
});
