/** What an attacker may send takes time in proportion to its length: no request holds up the others. */
import { describe, expect, test } from 'vitest';
import { prefersProblem, prefersText } from '../../handlers/preferred-type.ts';
import { bodyFields, queryFields } from '../../handlers/request-fields.ts';
import { parseTime } from '../../handlers/time.ts';
import { checkCallbackUrl, parseAllowList } from '../../lib/callback-address.ts';
import { readCredentials } from '../../lib/credentials.ts';

const millisecondsAllowed = 50;
/** Node's limit on the headers of a request, the query included. */
const headerBytes = 16_384;
const bodyBytes = 65_536;

const filled = (unit: string, bytes: number) => unit.repeat(Math.floor(bytes / unit.length));
const blanks = filled(' ', headerBytes - 100);

/** Milliseconds of processor time, which other processes do not add to; the first rounds also compile. */
async function fastest(work: () => unknown): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < 5; round++) {
    const before = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(before);
    times.push((user + system) / 1000);
  }
  return Math.min(...times);
}

const oneHeader = (wanted: string, value: string) => (name: string) => (name === wanted ? value : undefined);
const body = (text: string, contentType: string) => async () =>
  await bodyFields(new TextEncoder().encode(text).buffer, oneHeader('content-type', contentType)).catch(() => null);
const form = 'application/x-www-form-urlencoded';
const multipart = 'multipart/form-data; boundary=b';
const part = '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n';

describe('takes little time, before anybody is known:', () => {
  test.each<[string, () => unknown]>([
    ['Basic and blanks', () => readCredentials(oneHeader('authorization', `Basic ${blanks},`))],
    ['Basic, blanks and blanks', () => readCredentials(oneHeader('authorization', `Basic ${blanks}x${blanks}x`))],
    ['Basic of colons', () => readCredentials(oneHeader('authorization', `Basic ${filled('Ojo6', headerBytes)}`))],
    ...[',', ';', 'a/b;q="\\', 'a;q=0,', '"', 'text/*;q=0.1;'].map((unit): [string, () => unknown] => [
      `Accept of ${unit}`,
      () => [prefersProblem(filled(unit, headerBytes)), prefersText(filled(unit, headerBytes))],
    ]),
  ])('%s', async (_, work) => {
    expect(await fastest(work)).toBeLessThan(millisecondsAllowed);
  });
});

describe('takes little time, behind the authentication:', () => {
  test.each<[string, () => unknown]>([
    ['a form of one name over and over', body(filled('a&', bodyBytes), form)],
    ['a form of one name in brackets', body(filled('a[]&', bodyBytes), form)],
    ['a form of many names', body(Array.from({ length: 10_000 }, (_, at) => `${at.toString(36)}=`).join('&'), form)],
    ['a form of percent signs', body(filled('%25', bodyBytes), form)],
    ['a query of one name over and over', () => queryFields(filled('a&', headerBytes))],
    ['parts of one name', body(`${filled(part, bodyBytes)}--b--\r\n`, multipart)],
    ['boundaries', body(`${filled('--b\r\n', bodyBytes)}--b--\r\n`, multipart)],
    ['almost boundaries', body(`${part}${filled('\r\n--', bodyBytes)}--b--\r\n`, multipart)],
    ['headers of a part', body(`--b\r\n${filled('A: b\r\n', bodyBytes)}\r\n\r\n--b--\r\n`, multipart)],
    ['JSON that is deep', body(`{"cmd":${filled('[', 32_000)}${filled(']', 32_000)}}`, 'application/json')],
    ['JSON of __proto__', body(`{${'"__proto__":{},'.repeat(4000)}"cmd":"x"}`, 'application/json')],
    ['a charset of blanks', body('x', `${form}; charset=${blanks}"a"b`)],
    ['parameters of a content type', body('x', `${form}${filled(';charset="', headerBytes)}`)],
    ['a time of digits', () => parseTime(`2020-01-01T00:00:00.${filled('1', headerBytes)}`)],
    ['a URL of dots', () => checkCallbackUrl(`http://${filled('a.', 2000)}`, parseAllowList('*.a.example'))],
    ['a URL of colons', () => checkCallbackUrl(`http://[${filled(':', 2000)}]`, parseAllowList(''))],
  ])('%s', async (_, work) => {
    expect(await fastest(work)).toBeLessThan(millisecondsAllowed);
  });
});

test('names that every object has are fields like others, and change no object', async () => {
  const text = '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"cmd":"apps:list"}';
  const fields = await bodyFields(new TextEncoder().encode(text).buffer, oneHeader('content-type', 'application/json'));
  expect(fields.get('cmd')).toBe('apps:list');
  expect(queryFields('__proto__[polluted]=1&constructor.prototype.polluted=1&a=1').get('a')).toBe('1');
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});
