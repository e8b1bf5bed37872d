/** 404 for what is no path, 405 for a method that a path does not have: both read from the route table. */
import type { NotFoundHandler } from 'hono';
import { TrieRouter } from 'hono/router/trie-router';
import type { RouterRoute } from 'hono/types';
import { ApiError } from '../../lib/errors.ts';
import { type AppEnv, factory } from '../factory.ts';

/** In the chain of a GET that changes something or does not end: HEAD is not answered by it. */
export const notPlainRead = factory.createMiddleware(async (context, next) => {
  return context.req.method === 'HEAD' ? await context.notFound() : await next();
});

/**
 * Answers for every request that no route answered.
 * @param routes asked for once, at the first such request, when all routes are there
 * @throws ApiError `not_found`, or `method_not_allowed` with `Allow`
 */
export function notFound(routes: () => readonly RouterRoute[]): NotFoundHandler<AppEnv> {
  let methodsOf: ((path: string) => string[]) | undefined;
  return (context) => {
    methodsOf ??= methodTable(routes());
    const allowed = methodsOf(context.req.path);
    if (allowed.length > 0) {
      throw new ApiError('method_not_allowed', 'Use one of the methods in Allow.', {
        headers: { Allow: allowed.join(', ') },
      });
    }
    throw new ApiError('not_found', 'There is nothing here. GET /openapi.json lists every path.');
  };
}

function methodTable(routes: readonly RouterRoute[]): (path: string) => string[] {
  const methods = new Map<string, Set<string>>();
  for (const { path, method } of routes.filter((route) => route.method !== 'ALL')) {
    const known = methods.get(path) ?? new Set();
    methods.set(path, method === 'GET' ? known.add('GET').add('HEAD') : known.add(method));
  }
  for (const { path } of routes.filter((route) => route.handler === notPlainRead)) methods.get(path)?.delete('HEAD');
  const router = new TrieRouter<Set<string>>();
  for (const [path, known] of methods) router.add('ALL', path, known);
  return (path) => [...new Set(router.match('ALL', path)[0].flatMap(([known]) => [...known]))];
}
