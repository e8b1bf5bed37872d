import type { MiddlewareHandler } from 'hono';
import { type AppEnv, type Dependencies, factory } from '../factory.ts';
import { queryOf } from '../middleware/query.ts';
import { bodyFields, queryFields } from '../request-fields.ts';
import { type NewCommandFields, type NewCommandInput, parseNewCommandFields } from './new-command-fields.ts';
import { createRunnableCheck, type RunnableCommand } from './runnable-command.ts';

/** What a client asked for: as it was sent, and as it is to be run. */
export type NewCommand = { fields: NewCommandFields; command: RunnableCommand };

type NewCommandValidator = MiddlewareHandler<
  AppEnv,
  string,
  { in: { json: NewCommandInput }; out: { json: NewCommand } }
>;

/**
 * Reads a new command out of the body and, where the body does not have a field, the query.
 * @throws ApiError for whatever is wrong with it, or not allowed to the key
 */
export function newCommand({ config }: Pick<Dependencies, 'config'>): NewCommandValidator {
  const checkRunnable = createRunnableCheck(config);
  return factory.createMiddleware(async (context, next) => {
    const { req: request } = context;
    const query = queryFields(queryOf(request.url));
    const body = await bodyFields(await request.arrayBuffer(), (name) => request.header(name));
    const { values, errors } = parseNewCommandFields(new Map([...query, ...body]));
    request.addValidatedData('json', { fields: values, command: checkRunnable(context.get('key'), values, errors) });
    await next();
  });
}
