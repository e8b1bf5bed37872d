import type { Context } from 'hono';
import type { H, Next } from 'hono/types';
import { onFirstUse } from '../lib/on-first-use.ts';
import { type AppEnv, factory } from './factory.ts';

/** Each knows by its own type what those before it have validated. */
type Handlers = readonly H[];

/**
 * Handlers that are loaded when the first request comes to any of them, so that no start waits for what few ask for.
 * Their paths stand in the route table as those of others do.
 * @param load called once
 * @returns what stands in the table for the handlers of a name
 */
export function lazyHandlers<Name extends string>(load: () => Promise<Readonly<Record<Name, Handlers>>>) {
  const handlers = onFirstUse(load);
  return (name: Name) =>
    factory.createMiddleware(async (context, next) => {
      await runInTurn((await handlers())[name], context, next);
    });
}

/** As Hono runs a chain, but at the one place in the table that all of them share: by it the path's parameters are found. */
async function runInTurn(handlers: Handlers, context: Context<AppEnv>, next: Next): Promise<void> {
  const [handler, ...others] = handlers;
  if (handler === undefined) return await next();
  const answer = await handler(context, () => runInTurn(others, context, next));
  if (answer && !context.finalized) context.res = answer;
}
