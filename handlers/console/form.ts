/** What the forms of the console send, and whether a form is one of the session's own. */
import { timingSafeEqual } from 'node:crypto';
import type { Context } from 'hono';
import type { IdempotentRequest } from '../../db/idempotency.ts';
import { ApiError } from '../../lib/errors.ts';
import { idempotentRequest } from '../commands/idempotent-request.ts';
import { type AppEnv, factory } from '../factory.ts';
import { bodyFields, type Fields } from '../request-fields.ts';
import { sessionOf } from './signed-in.tsx';

/** The form in the request's body, which may be asked for several times. */
export async function formFields(context: Context<AppEnv>): Promise<Fields> {
  return await bodyFields(await context.req.arrayBuffer(), (name) => context.req.header(name));
}

/** A field's one text; empty where it was not sent, or not so. */
export function textField(fields: Fields, name: string): string {
  const value = fields.get(name);
  return typeof value === 'string' ? value : '';
}

/**
 * Of what may change something, lets only forms pass that a page of this very session has.
 * @throws ApiError `cross_site`
 */
export const ownForms = factory.createMiddleware(async (context, next) => {
  if (context.req.method === 'GET' || context.req.method === 'HEAD') return await next();
  const given = Buffer.from(textField(await formFields(context), 'form_token'));
  const expected = Buffer.from(sessionOf(context).formToken);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new ApiError(
      'cross_site',
      'The form was made before you signed in, or by another page. Go back, load the page again, and send it once more.',
    );
  }
  await next();
});

/**
 * What a form that is sent twice, by a double click or by loading its answer again, is known by; null for one without
 * an id.
 * @param fields what was asked for
 */
export async function formRequest(
  context: Context<AppEnv>,
  fields: Readonly<Record<string, unknown>>,
): Promise<IdempotentRequest | null> {
  const id = textField(await formFields(context), 'form_id');
  if (!/^[0-9a-f-]{36}$/.test(id)) return null;
  const { method, path } = context.req;
  const header = (name: string) => (name === 'idempotency-key' ? `console-${id}` : undefined);
  return idempotentRequest({ method, path, header }, context.get('key'), fields);
}
