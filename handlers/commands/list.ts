import { describeRoute } from 'hono-openapi';
import * as v from 'valibot';
import { type Dependencies, factory } from '../factory.ts';
import { errorDocs, jsonDocs } from '../response-docs.ts';
import { commandArray } from './command-array.ts';
import { commandSchema } from './command-schema.ts';
import { isPage, listQuery } from './list-query.ts';
import { pageLinks } from './page-links.ts';
import { visibleOwner } from './visible-command.ts';

const pageSize = 100;

/** GET /commands: every command that the key may see, or a page of them. */
export function listCommands({ pages, log }: Pick<Dependencies, 'pages' | 'log'>) {
  return factory.createHandlers(
    describeRoute({
      operationId: 'listCommands',
      tags: ['Commands'],
      summary: 'List commands',
      description:
        'Without parameters all of them, as one array; with any of these one page, and Link to its neighbours.',
      responses: { 200: jsonDocs('The commands.', v.array(commandSchema), 'Link'), ...errorDocs() },
    }),
    listQuery,
    async (context) => {
      const query = context.req.valid('query');
      const owner = visibleOwner(context.get('key'));
      if (!isPage(query)) {
        const highest = (await pages.highestId(owner)) ?? 0;
        return commandArray(context, log, pages.upTo(owner, highest));
      }
      const order = query.order ?? 'asc';
      const { after = null, before = null, limit = pageSize, q: text, state, server, since, until } = query;
      const filter = { owner, state, server, since, until, text };
      const page = await pages.page({ filter, limit, order, after, before });
      const link = pageLinks(context.req.query(), { after, before, order }, page);
      if (link !== '') context.header('Link', link);
      return commandArray(context, log, pages.withIds(page.ids, order));
    },
  );
}
