import { beforeAll, expect, test } from 'vitest';
import { createKeys, type GeneratedKey } from '../../db/keys.ts';
import { createSeal } from '../../lib/seal.ts';
import { createInstallation, type Installation, type Web } from '../support/installation.ts';
import { waitFor } from '../support/process.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import type { StandIn } from '../support/stand-in.ts';
import { visit } from './visitor.ts';

const esc = '\u001b';
let installation: Installation;
let web: Web;
let key: GeneratedKey;
let daemon: StandIn;
let receiver: Receiver;

beforeAll(async () => {
  receiver = await startReceiver();
  installation = await createInstallation({ env: { CALLBACK_ALLOW: '127.0.0.1' } });
  web = await installation.startWeb();
  await installation.startWorker();
  key = await installation.generateKey({ role: 'admin' });
  const found = installation.daemons.get('default');
  if (found === undefined) throw new Error('there is no daemon');
  daemon = found;
  return async () => await receiver.stop();
});

async function signedIn(width = 1280) {
  const visitor = await visit(web.url, { width });
  await visitor.signIn(key);
  return visitor;
}

test('whoever asks for a page signs in first, and gets to that page', async () => {
  const { page } = await visit(web.url);
  await page.goto('/console/servers');
  await page.getByLabel('API key').fill(key.apiKey);
  await page.getByLabel('API secret').fill('wrong');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').filter({ hasText: 'not the credentials of a key in use' }).waitFor();
  expect(await page.getByLabel('API key').inputValue()).toBe(key.apiKey);
  expect(await page.getByLabel('API secret').inputValue()).toBe('');
  await page.getByLabel('API secret').fill(key.apiSecret);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Servers' }).waitFor();
  expect(await page.evaluate(() => document.cookie)).toBe('');
});

test('a link on another site leads to the page, though browsers hold the strict cookie back', async () => {
  const other = await startReceiver({ host: 'localhost' });
  const elsewhere = other.url.replace('127.0.0.1', 'localhost');
  other.answerWith({
    status: 200,
    headers: { 'Content-Type': 'text/html' },
    body: `<a href="${web.url}/console/servers">Look at this</a>`,
  });
  const visitor = await visit(web.url, { alsoOrigin: elsewhere });
  await visitor.signIn(key);
  await visitor.page.goto(elsewhere);
  await visitor.page.getByRole('link').click();
  await visitor.page.getByRole('heading', { name: 'Servers' }).waitFor();
  await other.stop();
});

test('a command that was typed runs, and its result comes to the page by itself', async () => {
  const held = await daemon.addSwitch({
    match: 'ps:report shop',
    hold: true,
    dokku: { stdout: `${esc}[32mrunning${esc}[0m and ${esc}[1;31mexited${esc}[0m` },
  });
  const { page } = await signedIn();
  await page.getByRole('link', { name: 'Run a command' }).first().click();
  await page.getByLabel('Dokku command line').fill('  ps:report shop ');
  await page.keyboard.press('Enter');
  await page.getByText('Dokku is at work').waitFor();
  await page.evaluate(() => Object.assign(globalThis, { stillTheSamePage: true }));
  await daemon.control({ op: 'release', id: held });
  await page.getByText('Succeeded', { exact: true }).waitFor();
  const output = page.getByRole('region', { name: 'Output' });
  expect(await output.locator('pre').textContent()).toBe('running and exited');
  expect(await page.evaluate(() => 'stillTheSamePage' in globalThis)).toBe(true);
  expect(await page.locator('#announcer').textContent()).toMatch(/^Command \d+: Succeeded$/);

  const looks = await output.locator('span').evaluateAll((spans) =>
    spans.map((span) => ({
      text: span.textContent,
      color: getComputedStyle(span).color,
      weight: getComputedStyle(span).fontWeight,
    })),
  );
  expect(looks).toEqual([
    { text: 'running', color: 'rgb(18, 96, 47)', weight: '400' },
    { text: 'exited', color: 'rgb(163, 31, 24)', weight: '700' },
  ]);
});

test('the list follows each command, and holds new ones back from somebody who reads it', async () => {
  const { page } = await signedIn();
  await page.locator('#live[data-state="on"]').waitFor();
  const hold = await daemon.hold('apps:create seen');
  const { id } = await web.accept({ cmd: 'apps:create seen' });
  const row = page.locator(`#command-${id}`);
  await row.getByText('Running').waitFor();
  await row.hover();
  await hold.release();
  await row.getByText('Succeeded').waitFor();
  expect(await row.locator('.at-duration').textContent()).toMatch(/^\d+ ms$|^\d+\.\d+ s$/);

  const next = await web.accept({ cmd: 'apps:create next' });
  const news = page.getByRole('button', { name: 'Show 1 new command' });
  await news.waitFor();
  await web.final(next.token);
  expect(await page.locator(`#command-${next.id}`).count()).toBe(0);
  await page.mouse.move(5, 5);
  await page.locator(`#command-${next.id}`).getByText('Succeeded').waitFor();

  await page.setViewportSize({ width: 1280, height: 240 });
  await page.evaluate(() => window.scrollTo({ top: 200 }));
  const third = await web.accept({ cmd: 'apps:create third' });
  await news.click();
  await page.locator(`#command-${third.id}`).getByText('Succeeded').waitFor();
  expect(await page.evaluate(() => window.scrollY)).toBe(0);
  const ids = await page
    .locator('#rows > tr')
    .evaluateAll((rows) => rows.map((each) => Number(each.getAttribute('data-id'))));
  expect(ids).toEqual(ids.toSorted((first, second) => second - first));
});

test('a filtered list takes what it looks for alone, and lets go of what is no more', async () => {
  const { page } = await signedIn();
  const hold = await daemon.hold('apps:create wanted');
  await page.goto('/console?state=running&q=wanted');
  await page.getByText('No command is like that').waitFor();
  await page.locator('#live[data-state="on"]').waitFor();
  const other = await web.accept({ cmd: 'apps:create another' });
  await web.final(other.token);
  const { id } = await web.accept({ cmd: 'apps:create wanted' });
  await page.locator(`#command-${id}`).getByText('Running').waitFor();
  expect(await page.locator('#rows > tr').count()).toBe(1);
  await hold.release();
  await page.getByText('No command is like that').waitFor();
});

test('a full page stays as long as it is, and leads to the older ones', async () => {
  for (let number = 0; number < 51; number++) await web.accept({ cmd: `apps:exists filler-${number}` });
  const { page } = await signedIn(390);
  await page.locator('#live[data-state="on"]').waitFor();
  const last = await web.accept({ cmd: 'apps:exists one-more' });
  await page
    .locator(`#command-${last.id}`)
    .getByText(/Failed|Succeeded/)
    .waitFor();
  expect(await page.locator('#rows > tr').count()).toBe(50);
  await page.getByRole('link', { name: 'Older' }).click();
  await page.locator(`#command-${last.id - 50}`).waitFor();
  await page.getByRole('link', { name: 'Newer' }).click();
  await page.locator(`#command-${last.id}`).waitFor();
  await page.getByRole('searchbox').fill('filler-7');
  await page.keyboard.press('Enter');
  await waitFor(async () => (await page.locator('#rows > tr').count()) === 1, { describe: 'one row' });
});

test('hostile output and a hostile command line harm nobody', async () => {
  const script = `<script>alert(1)</script><img src=x onerror="alert(2)"><svg onload=alert(3)>\n</pre></main><h1>Owned</h1>`;
  const broken = `${esc}[31${esc}[${esc}]0;${esc}]8;;javascript:alert(4)${esc}\\link${esc}]8;;${esc}\\${esc}[999;999H${esc}[?1049h${esc}P\u0000\u0007\u009b31m`;
  await daemon.addSwitch({ match: 'logs shop', times: 1, dokku: { stdout: `${script}\n${broken}\nthe end`, exit: 1 } });
  const { page } = await signedIn();
  const command = await web.accept({ cmd: 'logs shop' });
  await web.final(command.token);
  await page.goto(`/console/commands/${command.token}`);
  const text = await page.getByRole('region', { name: 'Output' }).textContent();
  expect(text).toContain('<script>alert(1)</script>');
  expect(text).toContain('the end');
  expect(await page.getByRole('heading', { name: 'Owned' }).count()).toBe(0);
  await page.goto(`/console/commands/${command.token}/output`);

  const line = `ps:set "><img src=x onerror=alert(5)> --name \u202Egnp.exe`;
  await page.goto('/console');
  await page.locator('#live[data-state="on"]').waitFor();
  const typed = await web.accept({ cmd: line });
  await page
    .locator(`#command-${typed.id}`)
    .getByText(/Failed|Succeeded/)
    .waitFor();
  expect(await page.locator('#rows img').count()).toBe(0);
  await page.getByText('--name [U+202E]gnp.exe').first().waitFor();
});

test('8 MB of output, coloured anew at each character, open at once and leave the page at hand', async () => {
  const noise = `${esc}[31ma${esc}[42mb`.repeat(700_000);
  await daemon.addSwitch({ match: 'logs shop', times: 1, dokku: { stdout: noise } });
  const { page } = await signedIn();
  const command = await web.accept({ cmd: 'logs shop' });
  await web.final(command.token);
  const startedAt = performance.now();
  await page.goto(`/console/commands/${command.token}`);
  await page.getByText('in between are not shown').waitFor();
  await page.getByText('Wrap lines').click();
  await page.getByRole('link', { name: 'Raw text', exact: true }).click({ trial: true });
  expect(performance.now() - startedAt).toBeLessThan(10_000);
});

test('a command is run again, and one that waits is canceled', async () => {
  const { page } = await signedIn();
  const first = await web.accept({ cmd: 'apps:list' });
  await web.final(first.token);
  await page.goto(`/console/commands/${first.token}`);
  await page.getByRole('button', { name: 'Run it again' }).click();
  await page.getByText('Accepted. The result appears here by itself.').waitFor();
  await page.getByText('Succeeded', { exact: true }).waitFor();
  expect(page.url()).not.toContain(first.token);
  await page.getByRole('link', { name: first.token.slice(0, 12) }).click();
  await page.waitForURL(`**/commands/${first.token}`);

  const hold = await daemon.hold('ps:rebuild shop');
  const slow = await web.accept({ cmd: 'ps:rebuild shop' });
  await hold.held();
  const waiting = await web.accept({ cmd: 'apps:create never' });
  await page.goto(`/console/commands/${waiting.token}`);
  await page.getByText('1 command is ahead of it.').waitFor();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByText('Canceled', { exact: true }).waitFor();
  await page.goto(`/console/commands/${slow.token}`);
  await page.getByText('Nothing stops a command that has begun.').waitFor();
  await hold.release();
  await web.final(slow.token);
  expect(daemon.runs().map(({ line }) => line)).not.toContain('apps:create never');
});

test('a callback that was refused is seen with its attempts, and sent again', async () => {
  receiver.answerWith(410);
  const { page } = await signedIn();
  const command = await web.accept({ cmd: 'apps:list', callback_url: `${receiver.url}/done` });
  await page.goto(`/console/commands/${command.token}`);
  await page.getByText('Given up').waitFor();
  await page.getByRole('cell', { name: 'HTTP 410' }).waitFor();
  receiver.answerWith(204);
  await page.getByRole('button', { name: 'Send again now' }).click();
  await page.getByText('The callback is being sent again.').waitFor();
  await page.getByText('Delivered').waitFor();
  await page.getByRole('cell', { name: 'HTTP 204' }).waitFor();
  const ids = receiver.requests.map(({ headers }) => headers['webhook-id']);
  expect(new Set(ids).size).toBe(1);
});

test('the list comes back by itself after the web process was away, with all that happened', async () => {
  const own = await createInstallation();
  const first = await own.startWeb();
  await own.startWorker();
  const ownKey = await own.generateKey({ role: 'admin' });
  const { page, signIn } = await visit(first.url);
  await signIn(ownKey);
  await page.locator('#live[data-state="on"]').waitFor();
  await first.process.stop();
  await page.locator('#live[data-state="waiting"]').waitFor();
  const again = await own.startWeb({ PORT: new URL(first.url).port });
  const headers = { 'Api-Key': ownKey.apiKey, 'Api-Secret': ownKey.apiSecret };
  const posted = await fetch(`${first.url}/commands`, {
    method: 'POST',
    headers,
    body: new URLSearchParams({ cmd: 'apps:list' }),
  });
  const { id } = (await posted.json()) as { id: number };
  await page.locator(`#command-${id}`).getByText('Succeeded').waitFor();
  await page.locator('#live[data-state="on"]').waitFor();
  await again.process.stop();
});

test('the list tells by itself that nothing runs, and why, and that it is over', async () => {
  const own = await createInstallation({ env: { LEASE_SECONDS: '2' } });
  const ownWeb = await own.startWeb();
  const worker = await own.startWorker();
  const { page, signIn } = await visit(ownWeb.url);
  await waitFor(async () => (await ownWeb.get('/servers').then((answer) => answer.text())).includes('"worker":{'), {
    describe: 'the worker to have the server',
  });
  await signIn(await own.generateKey({ role: 'admin' }));
  await page.locator('#live[data-state="on"]').waitFor();
  const trouble = page.getByText('Nothing runs on default.');
  expect(await trouble.count()).toBe(0);
  await worker.stop();
  await trouble.waitFor({ timeout: 30_000 });
  await page.getByText('No live worker has it.').waitFor();
  await own.startWorker();
  await trouble.waitFor({ state: 'detached', timeout: 30_000 });
});

test('after signing out nothing is to be seen, by going back either', async () => {
  const { page, context } = await signedIn();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in to the console' }).waitFor();
  expect(await context.cookies()).toEqual([]);
  await page.goBack();
  await page.getByRole('heading', { name: 'Sign in to the console' }).waitFor();
});

test('when its key is deleted an open page goes to the sign-in form by itself', { timeout: 90_000 }, async () => {
  const secretKey = installation.env.SECRET_KEY ?? '';
  const keys = createKeys(installation.database, createSeal([secretKey], 'signing-secret'));
  const doomed = await installation.generateKey({ role: 'admin' });
  const { page, signIn } = await visit(web.url);
  await signIn(doomed);
  await page.locator('#live[data-state="on"]').waitFor();
  const { id } = await web.accept({ cmd: 'apps:list' });
  await page.locator(`#command-${id}`).getByText('Succeeded').waitFor();
  await keys.delete(doomed.apiKey);
  await page.getByRole('alert').filter({ hasText: 'Your session has ended' }).waitFor({ timeout: 60_000 });
});
