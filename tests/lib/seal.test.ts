import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createSeal } from '../../lib/seal.ts';

const OLD = 'an old secret key of enough characters';
const NEW = 'the new secret key of enough characters';
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

describe('createSeal', () => {
  test('opens what it sealed, whatever the text and the associated data', () => {
    const seal = createSeal([NEW], 'signing-secret');
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (text, associatedData) => {
        expect(seal.open(seal.seal(text, associatedData), associatedData)).toBe(text);
      }),
    );
  });

  test('shows neither the text nor the key, and never seals alike twice', () => {
    const seal = createSeal([NEW], 'signing-secret');
    const sealed = Array.from({ length: 50 }, () => seal.seal(SECRET));
    expect(new Set(sealed).size).toBe(50);
    for (const text of sealed) {
      expect(text).toMatch(/^v1\.[0-9a-f]{12}\.[A-Za-z0-9_-]+$/);
      const bytes = Buffer.from(text.split('.')[2] ?? '', 'base64url').toString('latin1');
      expect(bytes).not.toContain(SECRET.slice(0, 8));
    }
  });

  test('another process with the same key opens it', () => {
    const sealed = createSeal([NEW], 'signing-secret').seal(SECRET, 'key_1');
    expect(createSeal([NEW], 'signing-secret').open(sealed, 'key_1')).toBe(SECRET);
  });

  test('what the first release sealed opens: form and derivation of v1 never change', () => {
    const sealed =
      'v1.0f95fb14acb6.Q-tHp9UB-3poDxoZNFqysKwnl00KvGdluc2GbcPYifm75WtAaA25-b6YDHRWkYK71YpzoF9DWRpCDe-4Xd6JAf2-';
    expect(createSeal([OLD], 'signing-secret').open(sealed, 'key_1')).toBe(SECRET);
  });

  test('new,old opens both, seals with the new one, and tells which are still to be sealed again', () => {
    const before = createSeal([OLD], 'signing-secret');
    const during = createSeal([NEW, OLD], 'signing-secret');
    const after = createSeal([NEW], 'signing-secret');
    const sealed = before.seal(SECRET, 'key_1');
    expect([before.isCurrent(sealed), during.isCurrent(sealed)]).toEqual([true, false]);
    const again = during.seal(during.open(sealed, 'key_1'), 'key_1');
    expect([during.isCurrent(again), after.isCurrent(again), before.isCurrent(again)]).toEqual([true, true, false]);
    expect(after.open(again, 'key_1')).toBe(SECRET);
  });

  test('a key that is not configured is named as the cause, with what to do', () => {
    const sealed = createSeal([OLD], 'signing-secret').seal(SECRET);
    expect(() => createSeal([NEW], 'signing-secret').open(sealed)).toThrow(
      'This was sealed with a SECRET_KEY that is not configured: add the old one as SECRET_KEY=new,old',
    );
  });

  test("one purpose does not open another's", () => {
    const sealed = createSeal([NEW], 'console-session').seal(SECRET);
    const other = createSeal([NEW], 'signing-secret');
    expect(() => other.open(sealed)).toThrow();
    const otherId = other.seal('').split('.')[1] ?? '';
    const renamed = sealed.replace(/^v1\.[0-9a-f]+/, `v1.${otherId}`);
    expect(() => other.open(renamed)).toThrow(/changed, or belongs to another record/);
  });

  test('another record does not open it', () => {
    const seal = createSeal([NEW], 'signing-secret');
    const sealed = seal.seal(SECRET, 'key_1');
    for (const associatedData of ['key_2', '', 'key_1 ']) {
      expect(() => seal.open(sealed, associatedData)).toThrow(/belongs to another record/);
    }
  });

  test('every changed bit is noticed', () => {
    const seal = createSeal([NEW], 'signing-secret');
    const [version, id, encoded = ''] = seal.seal(SECRET).split('.');
    const bytes = Buffer.from(encoded, 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => seal.open(`${version}.${id}.${changed.toString('base64url')}`)).toThrow(/changed/);
    }
  });

  test.each(['', 'v1', 'v1.', 'v2.0123456789ab.AAAA', 'plain text', 'v1.a.b.c'])('%j is not a sealed text', (text) => {
    expect(() => createSeal([NEW], 'signing-secret').open(text)).toThrow(/not a sealed text/);
    expect(createSeal([NEW], 'signing-secret').isCurrent(text)).toBe(false);
  });

  test('a sealed text that was cut short is refused, a cut tag included', () => {
    const seal = createSeal([NEW], 'signing-secret');
    const sealed = seal.seal('x');
    const head = sealed.slice(0, sealed.lastIndexOf('.') + 1);
    expect(() => seal.open(head)).toThrow(/cut short/);
    expect(() => seal.open(sealed.slice(0, -2))).toThrow();
  });

  test('no error holds the text, the sealed text or the secret key', () => {
    const seal = createSeal([NEW], 'signing-secret');
    const sealed = seal.seal(SECRET, 'a');
    for (const attempt of [() => seal.open(sealed, 'b'), () => createSeal([OLD], 'signing-secret').open(sealed, 'a')]) {
      for (const secret of [SECRET, sealed, NEW, OLD]) expect(attempt).not.toThrow(secret);
    }
    expect(() => createSeal(['too short'], 'signing-secret')).toThrow(/at least 32 characters/);
    expect(() => createSeal([NEW, 'too short'], 'signing-secret')).not.toThrow('too short');
  });
});
