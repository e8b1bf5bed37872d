/** The headers that answers may carry beside HTTP's own, and those that a request may. */

const text = { type: 'string' } as const;

const headers = {
  'X-Request-Id': {
    description: 'Names the request in our log: that of the request where it is usable, else a new one.',
    schema: { ...text, pattern: '^[A-Za-z0-9._-]{1,128}$' },
  },
  RateLimit: {
    description: 'How many requests are left in the window (`r`), and the seconds until it ends (`t`).',
    schema: text,
    example: '"key";r=599;t=60',
  },
  'RateLimit-Policy': {
    description: 'How many requests the key may send (`q`) in a window of so many seconds (`w`).',
    schema: text,
    example: '"key";q=600;w=60',
  },
  'Retry-After': { description: 'Seconds to wait before trying again.', schema: { type: 'integer', minimum: 1 } },
  'Cache-Control': { description: 'Always `no-store`.', schema: { ...text, const: 'no-store' } },
  'WWW-Authenticate': { description: 'Always `ApiKey`.', schema: { ...text, const: 'ApiKey' } },
  Location: {
    description: 'The path of the command.',
    schema: { ...text, pattern: '^/commands/[0-9a-f]{64}$' },
  },
  Link: {
    description: 'The pages next to this one, where there are any: `rel="next"` and `rel="prev"` (RFC 8288).',
    schema: text,
    example: '</commands?limit=2&after=42>; rel="next"',
  },
  'Idempotent-Replayed': {
    description: '`true` where the Idempotency-Key was sent before: the answer is about what was done then.',
    schema: { ...text, const: 'true' },
  },
  Deprecation: {
    description: 'Since when this way of asking is deprecated (RFC 9745). POST does the same.',
    schema: { ...text, pattern: '^@[0-9]+$' },
  },
  'X-Accel-Buffering': {
    description: 'Always `no`: nginx passes on what comes as it comes.',
    schema: { ...text, const: 'no' },
  },
} as const;

export type HeaderName = keyof typeof headers;

/** For `components.headers` of the document. */
export const headerComponents: Record<HeaderName, object> = headers;

/** The headers of an answer, for its `headers`. */
export function headerDocs(...names: HeaderName[]): Record<string, { $ref: string }> {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

/** For `components.parameters`: the headers that a request may carry. */
export const headerParameters = {
  RequestId: {
    name: 'X-Request-Id',
    in: 'header',
    description: 'A name for the request, which its answer and our log will have. Another form is not taken.',
    schema: { ...text, pattern: '^[A-Za-z0-9._-]{1,128}$' },
  },
  IdempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    description:
      'Makes sending the request again within 24 h harmless: the same key is answered with what was done first.',
    schema: { ...text, pattern: '^[\\x21-\\x7E]{1,255}$' },
  },
  LastEventId: {
    name: 'Last-Event-ID',
    in: 'header',
    description: 'The id of the last event that was read. A browser sends it by itself.',
    schema: { ...text, pattern: '^[0-9]{1,20}$' },
  },
} as const;

/** A header that the request may carry, for its `parameters`. */
export function headerParameter(name: keyof typeof headerParameters): { $ref: string } {
  return { $ref: `#/components/parameters/${name}` };
}
