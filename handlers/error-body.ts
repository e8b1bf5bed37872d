/** The body of every answer that says no, in the form that existing clients know and in that of RFC 9457. */
import { STATUS_CODES } from 'node:http';
import * as v from 'valibot';
import { type ApiError, type ErrorCode, errorStatus } from '../lib/errors.ts';
import { prefersProblem } from './preferred-type.ts';

const code = v.pipe(
  v.picklist(Object.keys(errorStatus) as [ErrorCode, ...ErrorCode[]]),
  v.description('What went wrong. Stable: switch on this.'),
);
const detail = v.pipe(v.string(), v.description('What to do about it, for people.'));
const requestId = v.pipe(v.string(), v.description('The same as in X-Request-Id and in our log.'));
const errors = v.pipe(
  v.array(v.object({ field: v.string(), code: v.string(), detail: v.string() })),
  v.description('With 422: each field that was refused.'),
);

export const errorSchema = v.pipe(
  v.object({
    status: v.literal('error'),
    message: v.string(),
    code,
    detail,
    request_id: requestId,
    messages: v.optional(v.array(v.string())),
    errors: v.optional(errors),
  }),
  v.metadata({ ref: 'Error' }),
);

export const problemSchema = v.pipe(
  v.object({
    type: v.string(),
    title: v.string(),
    status: v.number(),
    detail,
    code,
    request_id: requestId,
    errors: v.optional(errors),
  }),
  v.metadata({ ref: 'Problem' }),
);

/** The body of an error as JSON text, in the form that `accept` asks for. */
export function errorBody(
  error: ApiError,
  requestIdText: string,
  accept: string | undefined,
): { type: string; body: string } {
  const { status, detail } = error;
  const refused = error.fields.map(({ field, code, detail }) => ({ field, code, detail }));
  const errors = status === 422 ? { errors: refused } : {};
  if (prefersProblem(accept)) {
    const title = STATUS_CODES[status] ?? 'Error';
    const body = { type: 'about:blank', title, status, detail, code: error.code, request_id: requestIdText, ...errors };
    return {
      type: 'application/problem+json',
      body: JSON.stringify(body satisfies v.InferOutput<typeof problemSchema>),
    };
  }
  const messages = refused.length > 0 ? error.fields.map(({ message }) => message) : [detail];
  const body = {
    status: 'error' as const,
    message: error.code,
    code: error.code,
    detail,
    request_id: requestIdText,
    ...(status === 422 ? { messages, ...errors } : {}),
  };
  return { type: 'application/json', body: JSON.stringify(body satisfies v.InferOutput<typeof errorSchema>) };
}
