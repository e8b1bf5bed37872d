/** What the document says of answers: the one place where the errors' status, codes and forms are written down. */
import { type ResponsesWithResolver, resolver } from 'hono-openapi';
import type { GenericSchema } from 'valibot';
import { type ErrorCode, errorStatus } from '../lib/errors.ts';
import { errorSchema, problemSchema } from './error-body.ts';

/** Any request behind the authentication may be answered by these. */
const everywhere: readonly ErrorCode[] = [
  'not_authenticated',
  'role_not_allowed',
  'rate_limited',
  'too_many_failed_attempts',
  'internal_error',
  'database_unavailable',
];

/** The errors of a route by status, beside those that every route has. */
export function errorDocs(...codes: ErrorCode[]): ResponsesWithResolver {
  const all = [...everywhere, ...codes];
  return Object.fromEntries(
    all.map((code) => {
      const alike = all.filter((other) => errorStatus[other] === errorStatus[code]);
      const content = {
        'application/json': { schema: resolver(errorSchema) },
        'application/problem+json': { schema: resolver(problemSchema) },
      };
      return [String(errorStatus[code]), { description: alike.map((name) => `\`${name}\``).join(', '), content }];
    }),
  );
}

/** A JSON answer. */
export function jsonDocs(description: string, schema: GenericSchema) {
  return { description, content: { 'application/json': { schema: resolver(schema) } } };
}

/** An answer of Server-Sent Events. */
export const eventStreamDocs = {
  description: 'Events `command` with the command as JSON, and a comment every 15 s.',
  content: { 'text/event-stream': { schema: { type: 'string' as const } } },
};
