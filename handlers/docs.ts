import { createHash } from 'node:crypto';
import { describeRoute } from 'hono-openapi';
import { onFirstUse } from '../lib/on-first-use.ts';
import { factory } from './factory.ts';
import type { ApiDocument } from './openapi/document.ts';
import { textDocs } from './response-docs.ts';

/** Nothing but the page itself and the one style inside of it. */
const contentSecurityPolicy = (style: string) =>
  [
    "default-src 'none'",
    `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');

/** Loaded when it is first asked for: no start waits for it. */
async function makePage(document: () => Promise<ApiDocument>) {
  const [{ renderDocument }, { style }] = await Promise.all([import('./docs/page.tsx'), import('./docs/style.ts')]);
  return { html: renderDocument(await document()), policy: contentSecurityPolicy(style) };
}

/** GET /docs: what this API is, for people. */
export function readDocs(document: () => Promise<ApiDocument>) {
  const page = onFirstUse(() => makePage(document));
  return factory.createHandlers(
    describeRoute({
      operationId: 'readDocs',
      tags: ['Operation'],
      summary: 'Read this document as a page',
      security: [],
      responses: { 200: textDocs('The page, which loads nothing else.', 'text/html') },
    }),
    async (context) => {
      const { html, policy } = await page();
      context.header('Content-Security-Policy', policy);
      return context.html(html, 200);
    },
  );
}
