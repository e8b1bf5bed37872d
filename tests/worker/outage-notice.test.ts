import { expect, test } from 'vitest';
import { outageNotice } from '../../worker/outage-notice.ts';
import { recordLog } from '../handlers/middleware/server.ts';

const refused = (code: string) => Object.assign(new Error('refused'), { code });

test('an outage is said once in a while, and missing tables with what to do', () => {
  const { log, entries } = recordLog();
  let now = 0;
  const say = outageNotice({ log, now: () => now }, 'beat failed');
  for (; now < 9000; now += 500) say(refused('ECONNREFUSED'));
  expect(entries).toMatchObject([{ msg: 'beat failed', code: 'ECONNREFUSED' }]);
  expect(entries[0]).not.toHaveProperty('remedy');
  now = 10_000;
  say(refused('42P01'));
  expect(entries[1]).toMatchObject({ code: '42P01', remedy: expect.stringContaining('npm run migrate') });
});
