import { createHash } from 'node:crypto';
import { describeRoute } from 'hono-openapi';
import { onFirstUse } from '../lib/on-first-use.ts';
import { renderDocument } from './docs/page.tsx';
import { style } from './docs/style.ts';
import { factory } from './factory.ts';
import type { ApiDocument } from './openapi/document.ts';
import { textDocs } from './response-docs.ts';

/** Nothing but the page itself and the one style inside of it. */
const contentSecurityPolicy = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** GET /docs: what this API is, for people. */
export function readDocs(document: () => Promise<ApiDocument>) {
  const page = onFirstUse(async () => renderDocument(await document()));
  return factory.createHandlers(
    describeRoute({
      operationId: 'readDocs',
      tags: ['Operation'],
      summary: 'Read this document as a page',
      security: [],
      responses: { 200: textDocs('The page, which loads nothing else.', 'text/html') },
    }),
    async (context) => {
      context.header('Content-Security-Policy', contentSecurityPolicy);
      return context.html(await page(), 200);
    },
  );
}
