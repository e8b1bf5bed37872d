import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, expect } from 'vitest';
import type { GeneratedKey } from '../../db/keys.ts';
import { chromiumPath, missingChromium } from './chromium.ts';

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export type VisitorOptions = {
  colorScheme?: 'light' | 'dark';
  width?: number;
  height?: number;
  javaScript?: boolean;
  /** Another origin that the test itself goes to. */
  alsoOrigin?: string;
};

/** A browser of nobody else's: no cookies, no cache. What it should not have done fails the test that it was made in. */
export type Visitor = {
  context: BrowserContext;
  page: Page;
  signIn(key: Pick<GeneratedKey, 'apiKey' | 'apiSecret'>): Promise<void>;
};

let browser: Browser | undefined;
let open: { context: BrowserContext; misdeeds: string[] }[] = [];

afterEach(async () => {
  const ended = open;
  open = [];
  for (const { context } of ended) await context.close();
  expect(ended.flatMap(({ misdeeds }) => misdeeds)).toEqual([]);
});

afterAll(async () => {
  await browser?.close();
  browser = undefined;
});

async function startBrowser(): Promise<Browser> {
  const executablePath = chromiumPath();
  if (executablePath === undefined) throw new Error(missingChromium);
  return await chromium.launch({ executablePath, args: flags });
}

/** @param origin the only one that the browser may ask for anything */
export async function visit(origin: string, options: VisitorOptions = {}): Promise<Visitor> {
  browser ??= await startBrowser();
  const { colorScheme = 'light', width = 1280, height = 800, javaScript = true, alsoOrigin } = options;
  const context = await browser.newContext({
    colorScheme,
    viewport: { width, height },
    // As on a phone: scroll bars take no room, and fingers press.
    isMobile: width < 500,
    hasTouch: width < 500,
    javaScriptEnabled: javaScript,
    reducedMotion: 'reduce',
    baseURL: origin,
  });
  const misdeeds: string[] = [];
  open.push({ context, misdeeds });
  context.on('request', (request) => {
    const asked = new URL(request.url()).origin;
    if (asked !== origin && asked !== alsoOrigin) misdeeds.push(`asked another host: ${request.url()}`);
  });
  context.on('console', (message) => {
    if (/Content.Security.Policy/i.test(message.text())) misdeeds.push(message.text());
  });
  context.on('weberror', (error) => misdeeds.push(`a script failed: ${error.error().stack}`));
  context.on('dialog', (dialog) => {
    misdeeds.push(`a dialog opened: ${dialog.message()}`);
    void dialog.dismiss();
  });
  const page = await context.newPage();
  return {
    context,
    page,
    signIn: async ({ apiKey, apiSecret }) => {
      await page.goto('/console/sign-in');
      await page.getByLabel('API key').fill(apiKey);
      await page.getByLabel('API secret').fill(apiSecret);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('heading', { name: 'Commands', exact: true }).waitFor();
    },
  };
}
