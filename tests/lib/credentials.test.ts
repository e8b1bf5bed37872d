import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { hashSecret, readCredentials, verifySecret } from '../../lib/credentials.ts';

// The real ones, counted.
vi.mock('node:crypto', async (original) => {
  const crypto = await original<typeof import('node:crypto')>();
  return { ...crypto, createHash: vi.fn(crypto.createHash), timingSafeEqual: vi.fn(crypto.timingSafeEqual) };
});

const apiKey = '0123456789abcdef0123456789abcdef';
const basic = (text: string) => `Basic ${Buffer.from(text, 'latin1').toString('base64')}`;
const nobody = { apiKey: '', apiSecret: '' };

test.each<[string, Record<string, string>, ReturnType<typeof readCredentials>]>([
  ['nothing', {}, null],
  ['both headers', { 'api-key': apiKey, 'api-secret': 's' }, { apiKey, apiSecret: 's' }],
  ['no secret', { 'api-key': apiKey }, { apiKey, apiSecret: '' }],
  ['no key', { 'api-secret': 's' }, { apiKey: '', apiSecret: 's' }],
  ['a key in capitals', { 'api-key': apiKey.toUpperCase(), 'api-secret': 's' }, { apiKey: '', apiSecret: 's' }],
  ['a key with more behind it', { 'api-key': `${apiKey}0`, 'api-secret': 's' }, { apiKey: '', apiSecret: 's' }],
  ['the headers before Basic', { 'api-key': apiKey, authorization: basic('a:b') }, { apiKey, apiSecret: '' }],
  ['Basic', { authorization: basic(`${apiKey}:a:b`) }, { apiKey, apiSecret: 'a:b' }],
  ['Basic in small letters', { authorization: basic(`${apiKey}:s`).replace('B', 'b') }, { apiKey, apiSecret: 's' }],
  [
    'Basic with several blanks',
    { authorization: basic(`${apiKey}:s`).replace(' ', '   ') },
    { apiKey, apiSecret: 's' },
  ],
  ['Basic with U+0000', { authorization: basic('a\0b:s') }, { apiKey: '', apiSecret: 's' }],
  ['Basic without a colon', { authorization: basic(apiKey) }, nobody],
  ['Basic with nothing in it', { authorization: 'Basic ' }, nobody],
  ['Basic that is not base64', { authorization: 'Basic *' }, null],
  ['another scheme', { authorization: `Bearer ${apiKey}` }, null],
])('reads %s', (_, headers, credentials) => {
  expect(readCredentials((name) => headers[name])).toEqual(credentials);
});

describe('verifySecret', () => {
  const [secret, previous, wrong] = [randomBytes(16), randomBytes(16), randomBytes(16)].map((b) => b.toString('hex'));
  const plain = { secretHash: hashSecret(secret ?? ''), previousSecretHash: null, usable: true };
  const rotated = { ...plain, previousSecretHash: hashSecret(previous ?? '') };

  beforeEach(() => {
    vi.mocked(createHash).mockClear();
    vi.mocked(timingSafeEqual).mockClear();
  });

  test.each([
    ['the secret', secret, plain, true],
    ['the secret of a rotated key', secret, rotated, true],
    ['the secret before, in its grace', previous, rotated, true],
    ['the secret before, after its grace', previous, plain, false],
    ['a wrong secret', wrong, plain, false],
    ['a wrong secret of a rotated key', wrong, rotated, false],
    ['no secret', '', plain, false],
    ['an unknown key', secret, null, false],
    ['an expired or deleted key', secret, { ...plain, usable: false }, false],
    ['an expired or deleted key, secret before', previous, { ...rotated, usable: false }, false],
  ])('%s takes one hash and two comparisons', (_, given, stored, verified) => {
    expect(verifySecret(hashSecret(given ?? ''), stored)).toBe(verified);
    expect(createHash).toHaveBeenCalledTimes(1);
    expect(timingSafeEqual).toHaveBeenCalledTimes(2);
    for (const [one, other] of vi.mocked(timingSafeEqual).mock.calls) {
      expect([one.byteLength, other.byteLength]).toEqual([32, 32]);
    }
  });
});
