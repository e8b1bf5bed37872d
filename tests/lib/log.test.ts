import { DrizzleQueryError } from 'drizzle-orm';
import pg from 'pg';
import { expect, test } from 'vitest';
import { loggableError } from '../../lib/log.ts';

const secret = 'hunter2';
const fromPostgres = Object.assign(
  new pg.DatabaseError(`invalid input syntax for type integer: "${secret}"`, 0, 'error'),
  { code: '22P02', severity: 'ERROR', detail: `Key (output)=(${secret}) exists.`, where: secret },
);

test.each<[string, unknown]>([
  ['Postgres', fromPostgres],
  ['Drizzle', new DrizzleQueryError(`select '${secret}'`, [secret], fromPostgres)],
  ['one of ours around Drizzle’s', new Error('not stored', { cause: new DrizzleQueryError('select 1', [secret]) })],
  ['JSON.parse', parseError(`{"password": ${secret}`)],
  ['one with more to it', Object.assign(new Error('failed'), { command: { name: 'auth', args: [secret] } })],
  ['many lines', new DrizzleQueryError('select 1', [`x\n    at ${secret}`])],
  ['no error', secret],
])('an error of %s says nothing of its values', (_, error) => {
  expect(JSON.stringify(loggableError(error))).not.toContain(secret);
});

test('what cannot quote anything is said, with the place and every cause', () => {
  const cause = Object.assign(new Error('the socket is gone'), { code: 'ENOENT' });
  const logged = loggableError(new TypeError('it did not work', { cause }));
  expect(logged).toMatchObject({
    type: 'TypeError',
    message: 'it did not work',
    cause: { type: 'Error', message: 'the socket is gone', code: 'ENOENT' },
  });
  expect(logged.at?.[0]).toContain('log.test');
});

function parseError(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return error;
  }
}
