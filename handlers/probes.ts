import { describeRoute } from 'hono-openapi';
import * as v from 'valibot';
import { version } from '../lib/version.ts';
import { factory } from './factory.ts';
import { jsonDocs } from './response-docs.ts';

const healthSchema = v.object({ status: v.literal('ok'), version: v.string() });

/** GET /healthz: whether the process serves. It looks at nothing else. */
export const healthz = factory.createHandlers(
  describeRoute({
    summary: 'Whether this process serves',
    security: [],
    responses: { 200: jsonDocs('It does.', healthSchema) },
  }),
  (context) => context.json({ status: 'ok' as const, version }, 200),
);
