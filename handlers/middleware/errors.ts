/** Every error becomes an answer of the contract here, and nothing of its inside gets out. */
import type { ErrorHandler } from 'hono';
import { classifyFailedQuery, lacksTables, metStrangeSession } from '../../db/client.ts';
import { sharedSessions } from '../../db/shared-sessions.ts';
import { ApiError } from '../../lib/errors.ts';
import { errorBody } from '../error-body.ts';
import { describeError } from '../error-report.ts';
import type { AppEnv, Dependencies } from '../factory.ts';

/** Answers whatever a middleware or a handler threw. */
export function answerErrors({ log }: Pick<Dependencies, 'log'>): ErrorHandler<AppEnv> {
  return (error, context) => {
    const known = error instanceof ApiError ? error : toApiError(error);
    const requestId = context.get('requestId');
    if (known.code === 'internal_error' && !context.req.raw.signal.aborted) {
      log.error({ request_id: requestId, ...describeError(error) }, 'request failed by a defect of ours');
    } else if (known.status === 503) {
      const cause = known.cause ?? error;
      const problem = problemOf(cause);
      log.warn({ request_id: requestId, ...describeError(cause) }, problem);
    }
    const { type, body } = errorBody(known, requestId, context.req.header('accept'));
    context.header('Vary', 'Accept', { append: true });
    return context.body(body, known.status, { ...known.headers, 'Content-Type': type });
  };
}

function problemOf(cause: unknown): string {
  if (lacksTables(cause)) return 'the tables are not those of this version: run npm run migrate';
  return metStrangeSession(cause) ? sharedSessions : 'Postgres could not answer';
}

function toApiError(error: unknown): ApiError {
  if (lacksTables(error)) {
    return new ApiError(
      'database_unavailable',
      'The database does not have the tables of this version: nothing was accepted. Have its migrations applied (npm run migrate).',
      { headers: { 'Retry-After': '30' }, cause: error },
    );
  }
  if (classifyFailedQuery(error) === 'rejected') {
    return new ApiError(
      'internal_error',
      'This is a defect of ours. Report it with the request_id; our log says more.',
      {
        cause: error,
      },
    );
  }
  return new ApiError(
    'database_unavailable',
    'Postgres could not answer, and nothing was accepted. Try again in 5 seconds.',
    {
      headers: { 'Retry-After': '5' },
      cause: error,
    },
  );
}
