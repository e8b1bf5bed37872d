import { readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { type StandIn, startStandIn } from '../../support/stand-in.ts';
import { RawConnection } from './raw-connection.ts';

interface Exchange {
  name: string;
  request_b64: string;
  dokku_stdout_b64: string;
  dokku_stderr_b64: string;
  dokku_exit: number;
  dokku_ran_with: string[] | null;
  reply_b64: string;
}

const exchanges = readFileSync(new URL('../../fixtures/daemon-golden.jsonl', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line): Exchange => JSON.parse(line));

let standIn: StandIn;

beforeAll(async () => {
  standIn = await startStandIn({ connectMs: 0, commandMs: 0 });
  await standIn.setKnownCommands(['apps', 'apps:list', 'apps:destroy', 'logs', 'config:set', 'ps:restart']);
});

test('the recording is whole', () => {
  expect(exchanges).toHaveLength(115);
});

test.each(exchanges)('$name', async (exchange) => {
  const runsBefore = standIn.runs().length;
  const id = await standIn.addSwitch({
    dokku: {
      stdout: Buffer.from(exchange.dokku_stdout_b64, 'base64'),
      stderr: Buffer.from(exchange.dokku_stderr_b64, 'base64'),
      exit: exchange.dokku_exit,
    },
  });
  const connection = await RawConnection.open(standIn.socketPath);
  connection.write(Buffer.from(exchange.request_b64, 'base64'));
  const [reply] = await connection.lines(1);
  connection.close();
  await standIn.removeSwitch(id);

  expect(`${reply}\n`).toBe(Buffer.from(exchange.reply_b64, 'base64').toString('latin1'));
  const runs = standIn.runs().slice(runsBefore);
  expect(runs.map((run) => run.words)).toEqual(exchange.dokku_ran_with === null ? [] : [exchange.dokku_ran_with]);
});
