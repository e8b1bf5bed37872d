/** The one table of error codes, and which status each has. Codes are stable: clients switch on them. */

export const errorStatus = {
  malformed_json: 400,
  malformed_form: 400,
  bad_query: 400,
  not_authenticated: 401,
  command_not_allowed: 403,
  server_not_allowed: 403,
  role_not_allowed: 403,
  cross_site: 403,
  not_found: 404,
  method_not_allowed: 405,
  not_final: 409,
  already_final: 409,
  already_running: 409,
  body_too_large: 413,
  unsupported_media_type: 415,
  invalid_parameters: 422,
  idempotency_key_reused: 422,
  rate_limited: 429,
  too_many_failed_attempts: 429,
  internal_error: 500,
  database_unavailable: 503,
  outcome_unknown: 503,
} as const;

export type ErrorCode = keyof typeof errorStatus;
export type ErrorStatus = (typeof errorStatus)[ErrorCode];

/** One field that was refused. `code` is snake_case and stable; `message` is what existing clients show. */
export type FieldError = { field: string; code: string; message: string; detail: string };

/**
 * An answer that says no. `detail` says what to do; it holds no secret, no SQL and never the command's text.
 */
export class ApiError extends Error {
  override name = 'ApiError';
  readonly code: ErrorCode;
  readonly detail: string;
  readonly fields: readonly FieldError[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ErrorCode,
    detail: string,
    options: { fields?: readonly FieldError[]; headers?: Record<string, string>; cause?: unknown } = {},
  ) {
    super(`${code}: ${detail}`, { cause: options.cause });
    this.code = code;
    this.detail = detail;
    this.fields = options.fields ?? [];
    this.headers = options.headers ?? {};
  }

  get status(): ErrorStatus {
    return errorStatus[this.code];
  }
}
