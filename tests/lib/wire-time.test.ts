import fc from 'fast-check';
import { expect, test } from 'vitest';
import { wireTime } from '../../lib/command.ts';

test('is what Date writes, in whole seconds, whichever times came before', () => {
  const time = fc.date({
    min: new Date('0001-01-01T00:00:00Z'),
    max: new Date('9999-12-31T23:59:59.999Z'),
    noInvalidDate: true,
  });
  fc.assert(
    fc.property(fc.array(time, { minLength: 1 }), (times) => {
      for (const at of times) {
        const sameDay = new Date(Math.floor(at.getTime() / 86_400_000) * 86_400_000);
        for (const written of [at, sameDay]) {
          expect(wireTime(written)).toBe(`${written.toISOString().slice(0, 19)}+00:00`);
        }
      }
    }),
  );
});
