import { expect, test } from 'vitest';
import { pageLinks } from '../../handlers/commands/page-links.ts';

test.each([
  ['asc', null, null, [], '</commands?q=a&after=500>; rel="next"'],
  ['asc', 300, null, [310, 320], '</commands?q=a&after=500>; rel="next"'],
  ['desc', null, null, [], '</commands?q=a&before=500>; rel="next"'],
  ['desc', 300, null, [320, 310], '</commands?q=a&after=500>; rel="prev"'],
  ['asc', null, 900, [800, 810], '</commands?q=a&before=500>; rel="prev"'],
  ['asc', 300, 900, [], '</commands?q=a&after=500&before=900>; rel="next"'],
] as const)(
  'a search that was given up goes on from where it was: %s, after %j, before %j',
  (order, after, before, ids, link) => {
    const isPrevious = link.includes('prev');
    const page = { ids: [...ids], hasNext: !isPrevious, hasPrevious: isPrevious, lookedTo: 500 };
    expect(pageLinks({ q: 'a' }, { order, after, before }, page)).toBe(link);
  },
);
