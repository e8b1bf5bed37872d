/** What the document says of answers: the one place where the errors' status, codes and forms are written down. */
import { type ResponsesWithResolver, resolver } from 'hono-openapi';
import type { GenericSchema } from 'valibot';
import { type ErrorCode, errorStatus } from '../lib/errors.ts';
import { errorSchema, problemSchema } from './error-body.ts';
import { errorExampleDocs } from './openapi/error-examples.ts';
import { type HeaderName, headerDocs } from './openapi/headers.ts';

/** Any request behind the authentication may be answered by these. */
const everywhere: readonly ErrorCode[] = [
  'bad_query',
  'not_authenticated',
  'role_not_allowed',
  'rate_limited',
  'too_many_failed_attempts',
  'internal_error',
  'database_unavailable',
];

/** The headers that errors have beside those of every answer. */
const errorHeaders: Partial<Record<ErrorCode, HeaderName[]>> = {
  not_authenticated: ['WWW-Authenticate'],
  rate_limited: ['Retry-After'],
  too_many_failed_attempts: ['Retry-After'],
  database_unavailable: ['Retry-After'],
  outcome_unknown: ['Retry-After', 'Location'],
};

/** The errors of a route by status, beside those that every route has. */
export function errorDocs(...codes: ErrorCode[]): ResponsesWithResolver {
  const all = [...new Set([...everywhere, ...codes])];
  return Object.fromEntries(
    all.map((code) => {
      const alike = all.filter((other) => errorStatus[other] === errorStatus[code]);
      const content = {
        'application/json': { schema: resolver(errorSchema), examples: errorExampleDocs(alike, 'json') },
        'application/problem+json': { schema: resolver(problemSchema), examples: errorExampleDocs(alike, 'problem') },
      };
      const description = alike.map((name) => `\`${name}\``).join(', ');
      const headers = headerDocs(...alike.flatMap((name) => errorHeaders[name] ?? []));
      return [String(errorStatus[code]), { description, headers, content }];
    }),
  );
}

/** A JSON answer, and its headers beside those of every answer. */
export function jsonDocs(description: string, schema: GenericSchema, ...headers: HeaderName[]) {
  return {
    description,
    headers: headerDocs(...headers),
    content: { 'application/json': { schema: resolver(schema) } },
  };
}

/** A text of another kind. */
export function textDocs(description: string, type: string) {
  return { description, content: { [type]: { schema: { type: 'string' as const } } } };
}

/** An answer of Server-Sent Events. */
export const eventStreamDocs = {
  ...textDocs('Events `command` with the command as JSON, and a comment every 15 s.', 'text/event-stream'),
  headers: headerDocs('X-Accel-Buffering'),
};
