/** The fields of a request: those of its body in any of three forms, and those of its query. */
import { bufferToFormData } from 'hono/utils/buffer';
import { ApiError } from '../lib/errors.ts';
import { parseUrlEncoded } from './url-encoded.ts';

/** What was sent, by name; an array where a name came several times, or as `name[]`. */
export type Fields = ReadonlyMap<string, unknown>;

/** A field sent several times or with brackets is not what any caller meant by one value: it is kept as an array. */
function collect(pairs: Iterable<[name: string, value: unknown]>): Fields {
  // One array a name: a copy at each further value would take a body of 64 KiB half a minute.
  const sent = new Map<string, unknown[]>();
  const bracketed = new Set<string>();
  for (const [name, value] of pairs) {
    const bracket = name.indexOf('[');
    const known = bracket > 0 ? name.slice(0, bracket) : name;
    if (bracket > 0) bracketed.add(known);
    const values = sent.get(known);
    if (values === undefined) sent.set(known, [value]);
    else values.push(value);
  }
  return new Map(
    [...sent].map(([name, values]) => [name, values.length > 1 || bracketed.has(name) ? values : values[0]]),
  );
}

/** @throws ApiError `bad_query` */
export function queryFields(query: string): Fields {
  const pairs = parseUrlEncoded(query);
  if (pairs === null) throw new ApiError('bad_query', 'Write the query as UTF-8 with percent-encoding.');
  return collect(pairs);
}

/**
 * Reads a body by its content type. An empty one has no fields, whatever its type.
 * @throws ApiError `malformed_json`, `malformed_form`, `unsupported_media_type`, or `invalid_parameters` for JSON that is
 *   no object
 */
export async function bodyFields(body: ArrayBuffer, header: (name: string) => string | undefined): Promise<Fields> {
  if (body.byteLength === 0) return new Map();
  const contentType = header('content-type') ?? '';
  const { type, charset } = mediaType(contentType);
  const encoding = header('content-encoding') ?? 'identity';
  if (encoding.toLowerCase() !== 'identity') throw unsupported('Send the body without Content-Encoding.');
  if (charset !== null && !/^utf-?8$/i.test(charset)) throw unsupported('Send the body as UTF-8.');
  switch (type) {
    case 'application/json':
      return jsonFields(body);
    case 'application/x-www-form-urlencoded': {
      const text = decodeUtf8(body);
      const pairs = text === null ? null : parseUrlEncoded(text);
      if (pairs === null) throw malformedForm('A lone % is written %25.');
      return collect(pairs);
    }
    case 'multipart/form-data':
      return await multipartFields(body, contentType);
    default:
      throw unsupported('Send application/x-www-form-urlencoded, multipart/form-data or application/json.');
  }
}

function jsonFields(body: ArrayBuffer): Fields {
  const text = decodeUtf8(body);
  const value = text === null ? undefined : parseJson(text);
  if (value === undefined) {
    throw new ApiError('malformed_json', 'The body is not JSON in UTF-8. Send an object such as {"cmd":"apps:list"}.');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const detail = 'Send a JSON object such as {"cmd":"apps:list"}.';
    throw new ApiError('invalid_parameters', detail, {
      fields: [{ field: 'body', code: 'not_an_object', message: 'body must be a JSON object', detail }],
    });
  }
  return new Map(Object.entries(value));
}

/** Undefined, which no JSON stands for, where it is none. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

async function multipartFields(body: ArrayBuffer, contentType: string): Promise<Fields> {
  const form = await bufferToFormData(body, contentType).catch((error: unknown) => {
    if (error instanceof TypeError) return null;
    throw error;
  });
  if (form === null)
    throw malformedForm('The parts of a multipart body end with the boundary that Content-Type names.');
  const pairs = [...form.entries()];
  // The platform's parser puts U+FFFD in the place of bytes that are not UTF-8.
  if (pairs.flat().some((text) => typeof text === 'string' && text.includes('\uFFFD')) && decodeUtf8(body) === null) {
    throw malformedForm('Its text is not UTF-8.');
  }
  return collect(pairs);
}

/** Null where it is not UTF-8. */
function decodeUtf8(body: ArrayBuffer): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

function mediaType(contentType: string): { type: string; charset: string | null } {
  const [type = '', ...parameters] = contentType.split(';').map((part) => part.trim());
  const charset = parameters.map((parameter) => /^charset\s*=\s*"?([^"\s]*)"?$/i.exec(parameter)?.[1]).find(Boolean);
  return { type: type.toLowerCase(), charset: charset ?? null };
}

function unsupported(detail: string): ApiError {
  return new ApiError('unsupported_media_type', detail);
}

function malformedForm(hint: string): ApiError {
  return new ApiError('malformed_form', `The form in the body cannot be read. ${hint}`);
}
