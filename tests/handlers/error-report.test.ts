import { once } from 'node:events';
import { Redis } from 'ioredis';
import { afterAll, expect, test } from 'vitest';
import { connectDatabase } from '../../db/client.ts';
import { describeError } from '../../handlers/error-report.ts';
import { freePort } from '../support/process.ts';
import { startTestRedis } from '../support/redis.ts';

const secret = 'a-password-in-the-command';
const ends: (() => unknown)[] = [];
afterAll(async () => {
  for (const end of ends) await end();
});

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('it did not fail');
}

test('what Redis refuses is told by its word, and never by the arguments that it repeats', async () => {
  const server = await startTestRedis();
  const wrong = new Redis(server.url.replace('//', '//somebody:wrong@'), {
    lazyConnect: true,
    retryStrategy: () => null,
  });
  ends.push(() => wrong.disconnect());
  const refusal = once(wrong, 'error');
  await failureOf(wrong.connect());
  expect(describeError((await refusal)[0])).toMatchObject({ error: 'ReplyError', code: 'WRONGPASS' });
  const right = new Redis(server.url);
  ends.push(() => right.disconnect());
  const refused = describeError(await failureOf(right.call('NOSUCH', secret)));
  expect(refused).toMatchObject({ error: 'ReplyError', code: 'ERR' });
  expect(JSON.stringify(refused)).not.toContain(secret);
});

test('a connection that ended is told in the words of whoever noticed', async () => {
  const away = connectDatabase(`postgres://postgres@127.0.0.1:${await freePort()}/none`, {
    maximum: 1,
    onError: () => undefined,
  });
  ends.push(() => away.$client.end());
  expect(describeError(await failureOf(away.execute('select 1')))).toMatchObject({ code: 'ECONNREFUSED' });
  expect(describeError(new Error('Connection terminated unexpectedly'))).toMatchObject({
    why: 'Connection terminated unexpectedly',
  });
  expect(describeError(new Error(`it is about ${secret}`))).not.toHaveProperty('why');
});
