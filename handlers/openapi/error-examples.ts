/** One example of each error, made into both of its forms by what makes the errors themselves. */
import { ApiError, type ErrorCode } from '../../lib/errors.ts';
import { errorBody } from '../error-body.ts';

const requestId = '0f8fad5b-d9cb-469f-a165-70867728950e';

const details: Record<ErrorCode, string> = {
  malformed_json: 'The body is not JSON in UTF-8. Send an object such as {"cmd":"apps:list"}.',
  malformed_form: 'The form in the body cannot be read. A lone % is written %25.',
  bad_query: 'Write the query as UTF-8 with percent-encoding: a lone % is written %25.',
  not_authenticated:
    'Send the headers Api-Key and Api-Secret, with those of a key that is neither expired nor deleted.',
  command_not_allowed:
    'No rule of this key allows the command. Ask for a key with a rule that does, or for one without rules.',
  server_not_allowed: 'This key may not use the server default. It may use eu.',
  role_not_allowed: 'A key of the role read may not do this. Use a key whose role has the permission "run".',
  cross_site:
    'A page of another site asked a browser for this. Send it from a program, or from a page of this API itself.',
  not_found: 'No command has this token, or it belongs to another owner.',
  method_not_allowed: 'Use one of the methods in Allow.',
  not_final: 'Only a finished command can be run again. Wait for its end by ?wait=.',
  already_final: 'The command has ended: there is nothing to cancel.',
  already_running: 'The command has begun, and nothing stops Dokku then. Wait for its end by ?wait=.',
  body_too_large: 'Send at most 65536 bytes.',
  unsupported_media_type: 'Send application/x-www-form-urlencoded, multipart/form-data or application/json.',
  invalid_parameters: 'Give a Dokku command line, such as apps:list or ps:restart my-app.',
  idempotency_key_reused:
    'This Idempotency-Key was sent with another request before. Send a new key with each new request.',
  rate_limited:
    'This key may send 600 requests a minute. Wait as Retry-After says; ?wait= and event streams save requests.',
  too_many_failed_attempts:
    'Many wrong credentials came from this address. Wait as Retry-After says, then send those of a valid key.',
  internal_error: 'This is a defect of ours. Report it with the request_id; our log says more.',
  database_unavailable: 'Postgres could not answer, and nothing was accepted. Try again in 5 seconds.',
  outcome_unknown:
    'The database went away while the command was being stored. Look at Location: 404 there means that it was not.',
};

const blank = {
  field: 'cmd',
  code: 'blank',
  message: 'cmd must not be blank',
  detail: details.invalid_parameters,
};

export const errorCodes = Object.keys(details) as ErrorCode[];

/** For `components.examples`. */
export const errorExamples: Record<string, { summary: string; value: unknown }> = Object.fromEntries(
  errorCodes.flatMap((code) => {
    const error = new ApiError(code, details[code], code === 'invalid_parameters' ? { fields: [blank] } : {});
    const valueFor = (accept?: string): unknown => JSON.parse(errorBody(error, requestId, accept).body);
    return [
      [code, { summary: code, value: valueFor() }],
      [`${code}_problem`, { summary: code, value: valueFor('application/problem+json') }],
    ];
  }),
);

/** The examples of an answer that may have any of these codes, by the codes. */
export function errorExampleDocs(
  codes: readonly ErrorCode[],
  form: 'json' | 'problem',
): Record<string, { $ref: string }> {
  const suffix = form === 'json' ? '' : '_problem';
  return Object.fromEntries(codes.map((code) => [code, { $ref: `#/components/examples/${code}${suffix}` }]));
}
