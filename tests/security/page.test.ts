/** SECURITY.md names tests that are there. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const page = readFileSync(new URL('../../SECURITY.md', import.meta.url), 'utf8');
const table = page.slice(page.indexOf('## Threats'));
const covering = [...table.matchAll(/`([\w/-]+(?:\.test)?\.ts)`(?:: (_[^|;(]+_))?/g)].map(
  ([, file = '', names = '']): [string, string[]] => [
    file,
    [...names.matchAll(/_([^_]+)_/g)].map(([, name]) => `${name}`),
  ],
);

test('every row names one', () => {
  const rows = table.split('\n').filter((line) => line.startsWith('| ') && !/^\| (threat|---)/.test(line));
  expect(rows.length).toBeGreaterThan(20);
  expect(rows.filter((row) => !/`[\w/-]+(?:\.test)?\.ts`/.test(row))).toEqual([]);
});

test.each(covering)('%s: %j', (file, names) => {
  const text = readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');
  expect(names.filter((name) => !text.includes(name))).toEqual([]);
});
