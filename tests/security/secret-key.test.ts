/** Changing SECRET_KEY: callbacks go on being signed with the secret that the key's owner has. */
import { randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { GeneratedKey } from '../../db/keys.ts';
import { createInstallation, type Installation, type Web } from '../support/installation.ts';
import { startProcess, waitFor } from '../support/process.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';

const changed = randomBytes(32).toString('hex');

let installation: Installation;
let receiver: Receiver;
let web: Web;
let key: GeneratedKey;
let old: string;

beforeAll(async () => {
  receiver = await startReceiver();
  installation = await createInstallation({ env: { CALLBACK_ALLOW: '127.0.0.1' } });
  web = await installation.startWeb();
  key = await installation.generateKey();
  old = installation.env.SECRET_KEY ?? '';
});

afterAll(async () => await receiver.stop());

/** Runs a command by a worker with this SECRET_KEY; resolves to the callback's body as the key's owner verifies it. */
async function verifiedBy(secretKey: string): Promise<unknown> {
  const worker = await installation.startWorker({ SECRET_KEY: secretKey });
  const { length } = receiver.requests;
  const headers = { 'Api-Key': key.apiKey, 'Api-Secret': key.apiSecret };
  await web.post('/commands', { cmd: 'apps:list', callback_url: `${receiver.url}/hook` }, headers);
  const received = (await receiver.waitForRequests(length + 1)).at(-1);
  await worker.stop();
  const signed = Object.fromEntries(Object.entries(received?.headers ?? {}).map(([name, value]) => [name, `${value}`]));
  return new Webhook(key.signingSecret).verify(received?.body ?? '', signed);
}

async function listKeys(secretKey: string): Promise<string> {
  const process = startProcess({
    script: 'handlers/cli/keys.ts',
    args: ['list'],
    env: { DATABASE_URL: installation.databaseUrl, SECRET_KEY: secretKey },
  });
  expect(await process.exit).toMatchObject({ code: 0 });
  return process.stdout();
}

test('signed before, in between and after', async () => {
  const done = { state: 'succeeded', created_by: key.publicId };
  expect(await verifiedBy(old)).toMatchObject(done);
  expect(await verifiedBy(`${changed},${old}`)).toMatchObject(done);
  expect(await listKeys(`${changed},${old}`)).toMatch(/Sealed 2 signing secrets again/);
  expect(await listKeys(`${changed},${old}`)).not.toMatch(/Sealed|opened/);
  expect(await verifiedBy(changed)).toMatchObject(done);
});

test('a worker that was given another one says what to do, sends nothing, and shows nothing', async () => {
  const worker = await installation.startWorker({ SECRET_KEY: randomBytes(32).toString('hex') });
  const { length } = receiver.requests;
  const { token } = await web.accept({ cmd: 'apps:list', callback_url: `${receiver.url}/hook` });
  const { attempts } = await waitFor(
    async () => {
      const answer = await (await web.get(`/commands/${token}/deliveries`)).json();
      return (answer as { attempts: unknown[] }).attempts.length > 0 && (answer as { attempts: unknown[] });
    },
    { describe: 'an attempt' },
  );
  expect(attempts).toMatchObject([{ status: null, error: 'not_sent' }]);
  expect(receiver.requests).toHaveLength(length);
  await worker.waitForLog((entry) => JSON.stringify(entry).includes('SECRET_KEY=new,old'));
  for (const secret of [key.signingSecret, changed, old]) expect(worker.lines().join('\n')).not.toContain(secret);
});
