import { beforeAll, expect, test } from 'vitest';
import { createInstallation, type Web } from '../support/installation.ts';
import { accessibilityProblems } from './axe.ts';
import { visit } from './visitor.ts';

let web: Web;

beforeAll(async () => {
  const installation = await createInstallation();
  web = await installation.startWeb();
});

const looks = (['light', 'dark'] as const).flatMap((colorScheme) =>
  [360, 1280].map((width) => ({ colorScheme, width })),
);

test.each(looks)('at $width px in $colorScheme the page is accessible, and fits', async ({ colorScheme, width }) => {
  const { page } = await visit(web.url, { colorScheme, width });
  await page.goto('/docs');
  const closed = page.locator('details:not([open])');
  expect(await closed.count()).toBeGreaterThan(10);
  while ((await closed.count()) > 0) await closed.first().locator('summary').click();
  expect(await accessibilityProblems(page)).toEqual([]);
  const fits = await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
  expect(fits).toBe(true);
});

test('it has every operation, and leads from the contents and from objects and errors to them', async () => {
  const { page } = await visit(web.url, { javaScript: false });
  const document = (await (await fetch(`${web.url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { operationId: string; summary: string }>>;
  };
  await page.goto('/docs');
  for (const operation of Object.values(document.paths).flatMap((item) => Object.values(item))) {
    await page.getByRole('navigation').getByRole('link', { name: operation.summary, exact: true }).click();
    expect(new URL(page.url()).hash).toBe(`#${operation.operationId}`);
    await page.locator(`#${operation.operationId}`).getByText(operation.summary).waitFor();
  }
  const targets = await page
    .locator('a[href^="#"]')
    .evaluateAll((links) => links.map((link) => link.getAttribute('href')));
  for (const target of new Set(targets))
    expect([target, await page.locator(`[id="${target?.slice(1)}"]`).count()]).toEqual([target, 1]);
  await page.getByRole('link', { name: 'OpenAPI document' }).click();
  expect(new URL(page.url()).pathname).toBe('/openapi.json');
});
