import type { CommandPage, PageRequest } from '../../db/command-pages.ts';

/**
 * The `Link` header (RFC 8288) of a page, relative to this server whatever its name outside; empty where it stands alone.
 * The neighbour of a search that was given up goes on where it was.
 * @param parameters the query as sent, which the neighbours repeat but for where they begin
 */
export function pageLinks(
  parameters: Readonly<Record<string, string>>,
  { after, before, order }: Pick<PageRequest, 'after' | 'before' | 'order'>,
  { ids, hasNext, hasPrevious, lookedTo }: CommandPage,
): string {
  const ends = lookedTo === null ? ids : [...ids, lookedTo];
  const highest = ends.length > 0 ? Math.max(...ends) : Math.max(0, (before ?? 1) - 1);
  const lowest = ends.length > 0 ? Math.min(...ends) : (after ?? 0) + 1;
  const isRange = after !== null && before !== null;
  const upwards = { after: highest, before: isRange ? before : null };
  const downwards = { after: isRange ? after : null, before: lowest };
  const link = (start: typeof upwards | typeof downwards, relation: string) => {
    const query = new URLSearchParams(parameters);
    for (const [name, id] of Object.entries(start)) {
      if (id === null) query.delete(name);
      else query.set(name, String(id));
    }
    return `</commands?${query}>; rel="${relation}"`;
  };
  return [
    ...(hasNext ? [link(order === 'asc' ? upwards : downwards, 'next')] : []),
    ...(hasPrevious ? [link(order === 'asc' ? downwards : upwards, 'prev')] : []),
  ].join(', ');
}
