/** Which commands the list is asked for, as its address says. */
import type { CommandFilter } from '../../db/command-search.ts';
import { type CommandState, commandStates } from '../../lib/command.ts';

/** What is empty is not asked for. */
export type ListFilter = { state: CommandState | ''; server: string; text: string };

export type ListPlace = { before: number | null; after: number | null };

const textAtMost = 200;

/** Reads a query leniently: what is no filter is none. */
export function readListFilter(query: Readonly<Record<string, string>>): ListFilter {
  const { state = '', server = '', q = '' } = query;
  return {
    state: commandStates.find((known) => known === state) ?? '',
    server: /^[a-z0-9][a-z0-9_-]{0,62}$/.test(server) ? server : '',
    text: q.trim().replaceAll('\0', '').slice(0, textAtMost),
  };
}

export function readListPlace(query: Readonly<Record<string, string>>): ListPlace {
  const id = (text: string | undefined) => (text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : null);
  const before = id(query.before);
  return { before, after: before === null ? id(query.after) : null };
}

/** The address of the list with this filter; of its newest page where no place is given. */
export function listPath({ state, server, text }: ListFilter, place: Partial<ListPlace> = {}): string {
  const query = new URLSearchParams();
  if (state !== '') query.set('state', state);
  if (server !== '') query.set('server', server);
  if (text !== '') query.set('q', text);
  if (place.before != null) query.set('before', String(place.before));
  if (place.after != null) query.set('after', String(place.after));
  return query.size === 0 ? '/console' : `/console?${query}`;
}

export function isFiltered({ state, server, text }: ListFilter): boolean {
  return state !== '' || server !== '' || text !== '';
}

/** In the words of the database. A console sees the commands of every owner. */
export function toCommandFilter({ state, server, text }: ListFilter): CommandFilter {
  return { owner: null, state: state || undefined, server: server || undefined, text: text || undefined };
}

/** The same question, of a command that is at hand. */
export function passesFilter(filter: ListFilter, command: { state: string; server: string; command: string }): boolean {
  return (
    (filter.state === '' || filter.state === command.state) &&
    (filter.server === '' || filter.server === command.server) &&
    command.command.includes(filter.text)
  );
}
