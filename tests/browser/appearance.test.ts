import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { beforeAll, expect, test } from 'vitest';
import type { GeneratedKey } from '../../db/keys.ts';
import { createInstallation, type Installation, type Web } from '../support/installation.ts';
import { accessibilityProblems } from './axe.ts';
import { type Visitor, visit } from './visitor.ts';

const esc = '\u001b';
const everyLook = [30, 31, 32, 33, 34, 35, 36, 37, 90, 91, 92, 93, 94, 95, 96, 97]
  .flatMap((text) =>
    [49, 40, 41, 42, 43, 44, 45, 46, 47, 100, 107].map((behind) => `${esc}[${text};${behind}m look ${esc}[0m`),
  )
  .join('');
const weights = [1, 2, 3, 4, 7, 9]
  .map((code) => `${esc}[${code}mweight${esc}[0m ${esc}[31;${code}mred${esc}[0m`)
  .join(' ');

let installation: Installation;
let web: Web;
let key: GeneratedKey;
/** Pages by what they show; filled before the tests. */
let paths: Record<string, string>;

beforeAll(async () => {
  installation = await createInstallation({ servers: ['default', 'eu', 'us'], env: { CALLBACK_ALLOW: '127.0.0.1' } });
  web = await installation.startWeb();
  key = await installation.generateKey({ role: 'admin', name: 'operator' });
  await installation.generateKey({
    role: 'run',
    rules: ['ps:restart shop', 'config:* shop **'],
    expiresAfterMs: 86_400_000,
  });
  const daemon = installation.daemons.get('default');
  await daemon?.addSwitch({ match: 'apps:list', dokku: { stdout: `${everyLook}\n${weights}`, exit: 1 } });
  await daemon?.addSwitch({ match: 'config shop', dokku: { stdout: '{"a":{"b":[1,"two",null,true,{}]},"c":"d"}' } });
  // A worker that has one server less, whose daemon another one cannot reach.
  const eu = installation.daemons.get('eu');
  await eu?.stop();
  const worker = { DOKKU_SERVERS: `eu=${eu?.socketPath}`, LEASE_SECONDS: '2', DAEMON_WAIT: '600' };
  await installation.startWorker(worker);

  const finished = async (body: Record<string, string>) => {
    const { token } = await web.accept(body);
    await web.final(token);
    return `/console/commands/${token}`;
  };
  const colours = await finished({ cmd: 'apps:list', callback_url: 'http://127.0.0.1:9/nobody' });
  const json = await finished({ cmd: 'config shop' });
  const held = await daemon?.hold('ps:restart shop', 2);
  const timedOut = await finished({ cmd: 'ps:restart shop', timeout: '1' });
  const waiting = await web.accept({ cmd: 'apps:create blog', server: 'us' });
  const onEu = await web.accept({ cmd: `config:set shop X=${'x'.repeat(2000)}`, server: 'eu' });
  const blocked = await web.accept({ cmd: 'ps:report shop' });
  expect(held).toBeDefined();
  paths = {
    'sign-in form': '/console/sign-in',
    commands: '/console',
    'nothing found': '/console?q=nothing+like+it',
    'one state': '/console?state=timed_out',
    servers: '/console/servers',
    keys: '/console/keys',
    'run form': '/console/run',
    'not found': '/console/nowhere',
    'colours, callback failing': colours,
    json,
    'timed out': timedOut,
    'without a worker': `/console/commands/${waiting.token}`,
    'out of reach, long': `/console/commands/${onEu.token}`,
    blocked: `/console/commands/${blocked.token}`,
  };
});

/** A folder that gets a picture of every page, for somebody to look at. */
const pictures = process.env.PICTURES;

const widths = [390, 1280];
const schemes = ['light', 'dark'] as const;
const looks = schemes.flatMap((colorScheme) => widths.map((width) => ({ colorScheme, width })));

test.each(looks)(
  'at $width px in $colorScheme every page is accessible and fits',
  { timeout: 180_000 },
  async (look) => {
    const visitor = await visit(web.url, look);
    await visitor.signIn(key);
    for (const [name, path] of Object.entries(paths)) {
      await visitor.page.goto(path);
      await lookAt(visitor, name, look);
    }
    await visitor.page.goto('/console/run');
    await visitor.page.getByLabel('Dokku command line').fill('logs shop --tail');
    await visitor.page.getByRole('button', { name: 'Run', exact: true }).click();
    await visitor.page.getByText('Leave out the option').waitFor();
    await lookAt(visitor, 'refused command', look);
    await visitor.page.goto('/console/keys');
    for (const summary of await visitor.page.locator('summary').all()) await summary.click();
    await lookAt(visitor, 'deleted keys', look);
  },
);

test.each(schemes)('the refused sign-in is accessible in %s', async (colorScheme) => {
  const { page } = await visit(web.url, { colorScheme });
  await page.goto('/console');
  await page.getByLabel('API key').fill('wrong');
  await page.getByLabel('API secret').fill('wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').waitFor();
  expect(await accessibilityProblems(page)).toEqual([]);
});

test('nothing moves while pages load and become live', async () => {
  const visitor = await visit(web.url);
  await visitor.context.addInitScript(() => {
    const shifts: number[] = [];
    Object.assign(globalThis, { shifts });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) shifts.push((entry as PerformanceEntry & { value: number }).value);
    }).observe({ type: 'layout-shift', buffered: true });
  });
  await visitor.signIn(key);
  for (const [name, path] of Object.entries(paths)) {
    await visitor.page.goto(path);
    await settled(visitor.page);
    const shifts = await visitor.page.evaluate(() => (globalThis as unknown as { shifts: number[] }).shifts);
    expect([name, shifts.filter((value) => value > 0.001)]).toEqual([name, []]);
  }
});

test('all of it can be read, and a command run, without scripts', async () => {
  const visitor = await visit(web.url, { javaScript: false });
  const { page } = visitor;
  await visitor.signIn(key);
  await page.getByText('Reload to see changes').waitFor();
  await page.getByRole('link', { name: 'apps:list' }).click();
  await page.getByRole('heading', { name: 'Output' }).waitFor();
  await page.getByText('Wrap lines').click();
  await page.getByRole('link', { name: 'Run a command' }).click();
  await page.getByLabel('Dokku command line').fill('apps:create without-scripts');
  await page.getByLabel('Server').selectOption('us');
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page.getByText('Queued', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByText('Canceled', { exact: true }).waitFor();
});

test('the keyboard reaches everything, and focus is seen', async () => {
  const visitor = await visit(web.url);
  const { page } = visitor;
  await visitor.signIn(key);
  await page.goto('/console');
  await page.keyboard.press('Tab');
  expect(await page.evaluate(() => document.activeElement?.textContent?.trim())).toBe('Skip to content');
  await page.keyboard.press('Enter');
  const row = page.getByRole('row').filter({ hasText: 'apps:list' }).getByRole('link');
  for (let presses = 0; presses < 40 && !(await row.evaluate((link) => link === document.activeElement)); presses++) {
    await page.keyboard.press('Tab');
    const outline = await page.evaluate(() => {
      const focused = document.activeElement as Element;
      const styles = [getComputedStyle(focused), getComputedStyle(focused, '::after')];
      const around = focused.parentElement === null ? [] : [getComputedStyle(focused.parentElement)];
      return [...styles, ...around].map(({ outlineStyle }) => outlineStyle);
    });
    expect(outline).toContain('solid');
  }
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Command apps:list' }).waitFor();
});

/** The live indicator says so once the page has read itself again, where it has one. */
async function settled(page: Page): Promise<void> {
  await page.waitForLoadState('load');
  if ((await page.locator('#live').count()) > 0) await page.locator('#live[data-state="on"]').waitFor();
}

async function lookAt({ page }: Visitor, name: string, look: (typeof looks)[number]): Promise<void> {
  await settled(page);
  if (pictures !== undefined) {
    const file = `${name.replaceAll(/\W+/g, '-')}-${look.colorScheme}-${look.width}.png`;
    await page.screenshot({ path: join(pictures, file), fullPage: true });
  }
  expect([name, await accessibilityProblems(page)]).toEqual([name, []]);
  const overflow = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  expect([name, overflow]).toEqual([name, 0]);
}
