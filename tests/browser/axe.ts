import axe from 'axe-core';
import type { Page } from 'playwright-core';

/** What axe-core finds wrong with the page as it is, rule by rule, each with the first places. */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => {
    const { axe: inPage } = globalThis as unknown as { axe: typeof axe };
    return inPage.run(document, {
      resultTypes: ['violations'],
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    });
  });
  return violations.map(
    ({ id, help, nodes }) =>
      `${id}: ${help}; ${nodes
        .slice(0, 3)
        .map(({ html, failureSummary }) => `${html} (${failureSummary})`)
        .join(', ')}`,
  );
}
