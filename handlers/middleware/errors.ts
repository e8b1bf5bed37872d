/** Every error becomes an answer of the contract here, and nothing of its inside gets out. */
import type { ErrorHandler } from 'hono';
import { classifyFailedQuery } from '../../db/client.ts';
import { ApiError } from '../../lib/errors.ts';
import { errorBody } from '../error-body.ts';
import { describeError } from '../error-report.ts';
import type { AppEnv, Dependencies } from '../factory.ts';

/** Answers whatever a middleware or a handler threw. */
export function answerErrors({ log }: Pick<Dependencies, 'log'>): ErrorHandler<AppEnv> {
  return (error, context) => {
    const known = error instanceof ApiError ? error : toApiError(error);
    const requestId = context.var.requestId;
    if (known.code === 'internal_error' && !context.req.raw.signal.aborted) {
      log.error({ request_id: requestId, ...describeError(error) }, 'request failed by a defect of ours');
    } else if (known.status === 503) {
      log.warn({ request_id: requestId, ...describeError(known.cause ?? error) }, 'Postgres could not answer');
    }
    const { type, body } = errorBody(known, requestId, context.req.header('accept'));
    context.header('Vary', 'Accept', { append: true });
    return context.body(body, known.status, { ...known.headers, 'Content-Type': type });
  };
}

function toApiError(error: unknown): ApiError {
  if (classifyFailedQuery(error) === 'rejected') {
    return new ApiError(
      'internal_error',
      'This is a defect of ours. Report it with the request_id; our log says more.',
      {
        cause: error,
      },
    );
  }
  return new ApiError('database_unavailable', 'Nothing was accepted. Try again as Retry-After says.', {
    headers: { 'Retry-After': '5' },
    cause: error,
  });
}
