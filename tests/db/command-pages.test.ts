import { expect, test } from 'vitest';
import { connectDatabase } from '../../db/client.ts';
import { createCommandPages } from '../../db/command-pages.ts';
import { createDatabase } from '../support/database.ts';

test('the whole list is whole where ids have gaps and where outputs are long', async () => {
  const { url } = await createDatabase();
  const database = connectDatabase(url, {
    maximum: 4,
    onError: (error) => {
      throw error;
    },
  });
  await database.execute(`
    insert into dokku_api.commands (id, token, server, command, state, ok, output, timeout_seconds, key_id, created_by, owner, ran_at)
    select id, md5(id::text), 'default', 'apps:list', 'succeeded', true,
      case when id between 1500 and 1560 then repeat('x', 50000) else 'done' end, 600, 1, 'key_a',
      case when id % 3 = 0 then 'other' else 'default' end, now()
    from generate_series(1, 4000) as id
    where id not between 1000 and 1009 and not (id between 2000 and 2600 and id % 7 > 0) and id not between 2900 and 3300`);
  const pages = createCommandPages(database);
  for (const owner of [null, 'default', 'nobody']) {
    const { rows } = await database.execute<{ id: string }>(
      `select id from dokku_api.commands ${owner === null ? '' : `where owner = '${owner}'`} order by id`,
    );
    const stored = rows.map(({ id }) => Number(id));
    for (const highest of [4000, 3999, 1200, 200, 1, 0]) {
      const listed: number[] = [];
      for await (const batch of pages.upTo(owner, highest)) listed.push(...batch.map(({ id }) => id));
      expect(listed).toEqual(stored.filter((id) => id <= highest));
    }
  }
  await database.$client.end();
});
