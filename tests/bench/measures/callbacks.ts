/** How many callbacks a second reach receivers that are fast, against bare requests with the same limits. */
import { Agent, request } from 'undici';
import { freePort } from '../../../lib/local/port.ts';
import type { Comparison, Measure } from '../comparison.ts';
import { type Ground, query, untilTrue } from '../ground.ts';
import { startInstallation } from '../installation.ts';
import { repeated, timed } from '../statistics.ts';

const callbacks = 4000;
const hosts = 8;
/** As many at once to a host as the worker sends. */
const perHost = 4;
/** Rounds before those that count: until then the engine of JavaScript still compiles what each callback passes. */
const warmUps = 2;

/** How long receivers take: a network and a fast application, by a timer, or nothing at all. */
const receivers = [
  { answer: 'answer in 5 ms', afterMs: 5 },
  { answer: 'answer at once', afterMs: 0 },
];

export function callbackMeasures(ground: Ground): Measure[] {
  const run = async (rounds: number) => {
    const rows = [];
    for (const kind of receivers) rows.push(await to(kind, rounds));
    return rows;
  };

  const to = async ({ answer, afterMs }: (typeof receivers)[number], rounds: number): Promise<Comparison> => {
    const ports = await Promise.all(Array.from({ length: hosts }, () => freePort()));
    const receiving = await ground.start({
      ...{ name: 'receivers', script: 'tests/bench/receivers.ts', args: [afterMs, ...ports].map(String) },
      ...{ ready: 'listening' },
    });
    const installation = await startInstallation(ground, { workers: 1 });
    const agent = new Agent({ connections: perHost, pipelining: 1 });
    const row: Comparison = {
      ...{
        measure: `callbacks to ${hosts} receivers that ${answer}`,
        unit: 'callbacks/s',
        against: 'bare requests, same limits',
      },
      ...{ ours: [], theirs: [], bound: { atLeast: 0.5 } },
    };
    try {
      const { databaseUrl } = installation;
      const urls = ports.map((port) => `http://127.0.0.1:${port}/hook`);
      const command = await installation.post({ cmd: 'apps:list', sync: 'true' });
      const body = JSON.stringify(command);
      for (let round = -warmUps; round < rounds; round++) {
        await query(databaseUrl, dueCallbacks, [callbacks, urls]);
        const began = performance.now();
        await untilTrue(databaseUrl, noneOpen, 20);
        const ours = callbacks / ((performance.now() - began) / 1000);
        const bareBegan = performance.now();
        await Promise.all(
          urls.map((url) =>
            timed(
              repeated(async () => {
                const answer = await request(url, { method: 'POST', dispatcher: agent, body });
                await answer.body.dump();
              }, callbacks / hosts),
              perHost,
            ),
          ),
        );
        const theirs = callbacks / ((performance.now() - bareBegan) / 1000);
        if (round < 0) continue;
        row.ours.push(ours);
        row.theirs.push(theirs);
      }
      return row;
    } finally {
      await agent.close();
      await installation.end();
      await receiving.end();
    }
  };
  return [{ name: 'callbacks', run }];
}

/** Commands that ended just now, each with a callback that is due. */
const dueCallbacks = `
  with ended as (
    insert into dokku_api.commands (token, server, command, state, ok, output, timeout_seconds, key_id, created_by, owner,
      callback_url, started_at, ran_at, duration_ms)
    select encode(sha256(random()::text::bytea), 'hex'), 'default', 'apps:list', 'succeeded', true, 'done', 600, id, public_id,
      owner, ($2::text[])[1 + n % cardinality($2::text[])], now(), now(), 12
    from dokku_api.keys cross join generate_series(1, $1::int) n returning id, callback_url, key_id
  )
  insert into dokku_api.deliveries (command_id, webhook_id, url, host, key_id)
  select id, 'msg_' || id, callback_url, substring(callback_url from '^[^:]+://([^/]*)'), key_id from ended`;

const noneOpen = "select not exists (select from dokku_api.deliveries where state = 'pending') as is";
