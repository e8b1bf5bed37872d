import type { CommandPage } from '../../db/command-pages.ts';
import { serversOf } from '../../lib/config.ts';
import { silenceSeconds } from '../../lib/worker-silence.ts';
import { factory } from '../factory.ts';
import type { ConsoleDependencies } from './console-dependencies.ts';
import {
  type ListFilter,
  type ListPlace,
  listPath,
  readListFilter,
  readListPlace,
  toCommandFilter,
} from './list-filter.ts';
import { sessionOf } from './signed-in.tsx';
import { ListPage } from './views/list-page.tsx';

const pageSize = 50;

type ListDependencies = Pick<
  ConsoleDependencies,
  'config' | 'pages' | 'summaries' | 'serverStatuses' | 'readiness' | 'wallClock'
>;

/** GET /console: the commands, the newest first, in pages that begin next to an id. Nothing is ever counted. */
export function listPage({ config, pages, summaries, serverStatuses, readiness, wallClock }: ListDependencies) {
  const servers = serversOf(config).map(({ name }) => name);
  return factory.createHandlers(async (context) => {
    const query = context.req.query();
    const filter = readListFilter(query);
    const { before, after } = readListPlace(query);
    if (/^[0-9a-f]{64}$/.test(filter.text)) return context.redirect(`/console/commands/${filter.text}`, 303);
    const request = { filter: toCommandFilter(filter), limit: pageSize, order: 'desc' } as const;
    const asked = await pages.page({ ...request, before, after });
    // What was left of the newest page is shown with all that the newest page has.
    const isNewest = !asked.hasPrevious;
    const page = after !== null && isNewest ? await pages.page({ ...request, before: null, after: null }) : asked;
    const [rows, statuses, ready] = await Promise.all([
      summaries.ofIds(page.ids),
      serverStatuses.of(servers, silenceSeconds(config)),
      readiness(),
    ]);
    return await context.html(
      <ListPage
        session={sessionOf(context)}
        filter={filter}
        servers={servers}
        statuses={statuses}
        readiness={ready}
        rows={rows}
        {...neighbours(page, { before, after, isNewest }, filter)}
        isNewest={isNewest}
        lookedTo={page.lookedTo}
        pageSize={pageSize}
        now={wallClock()}
      />,
    );
  });
}

/** Where the pages beside this one begin; null where there is none. */
function neighbours(
  { ids, hasNext, lookedTo }: CommandPage,
  { before, after, isNewest }: ListPlace & { isNewest: boolean },
  filter: ListFilter,
) {
  const goesUp = after !== null && !isNewest;
  const first = (goesUp ? lookedTo : null) ?? ids[0] ?? (before ?? 1) - 1;
  const last = (goesUp ? null : lookedTo) ?? ids.at(-1) ?? (after ?? 0) + 1;
  return {
    newer: isNewest ? null : listPath(filter, { after: first }),
    older: hasNext ? listPath(filter, { before: last }) : null,
  };
}
