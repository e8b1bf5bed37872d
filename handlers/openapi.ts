import { describeRoute } from 'hono-openapi';
import { factory } from './factory.ts';
import type { ApiDocument } from './openapi/document.ts';

/** GET /openapi.json: what this API is, for programs. */
export function readDocument(document: () => Promise<ApiDocument>) {
  let text: string | undefined;
  return factory.createHandlers(
    describeRoute({
      operationId: 'readDocument',
      tags: ['Operation'],
      summary: 'Read this document',
      security: [],
      responses: {
        200: { description: 'OpenAPI 3.1.', content: { 'application/json': { schema: { type: 'object' } } } },
      },
    }),
    async (context) => {
      text ??= JSON.stringify(await document());
      return context.body(text, 200, { 'Content-Type': 'application/json' });
    },
  );
}
