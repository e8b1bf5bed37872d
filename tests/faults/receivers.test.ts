/** Receivers of callbacks that misbehave, all at once, beside one that does not. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createInstallation, type Web } from '../support/installation.ts';
import { waitFor } from '../support/process.ts';
import { faults, type Receiver, type ReceiverOptions, startReceiver } from '../support/receiver.ts';
import { type Stored, storedIn } from '../support/stored.ts';

const attemptSeconds = 15;

let web: Web;
let stored: Stored;
const receivers: Receiver[] = [];

beforeAll(async () => {
  const installation = await createInstallation({ env: { CALLBACK_ALLOW: '127.0.0.1' } });
  stored = storedIn(installation.database);
  [web] = await Promise.all([installation.startWeb(), installation.startWorker()]);
});

/** Before the worker is stopped, which would wait for the attempts under way. */
afterAll(async () => {
  await Promise.all(receivers.map((receiver) => receiver.stop()));
});

async function receiverThat(answer?: Parameters<Receiver['answerWith']>[0], options?: ReceiverOptions) {
  const receiver = await startReceiver(options);
  receivers.push(receiver);
  if (answer !== undefined) receiver.answerWith(answer);
  return receiver;
}

async function callBack(url: string): Promise<string> {
  const { token } = await web.accept({ cmd: 'apps:list', callback_url: url });
  expect(await web.final(token)).toMatchObject({ state: 'succeeded' });
  return token;
}

/** The delivery once its first attempt has ended, and how many milliseconds after that the next one is due. */
async function attempted(token: string, timeout = 8000) {
  const delivery = await waitFor(
    async () => {
      const found = await stored.delivery(token);
      return found.attempts.length > 0 && found;
    },
    { timeout, describe: 'the first attempt to end' },
  );
  const [attempt] = delivery.attempts;
  if (attempt === undefined) throw new Error('no attempt');
  const dueAfterMs = delivery.nextAt && Number(delivery.nextAt) - Number(attempt.at) - attempt.durationMs;
  return { ...delivery, attempt, dueAfterMs };
}

/** Pending, the next attempt due five seconds after the first, ±20 %. */
function expectRetry({ state, dueAfterMs }: { state: string; dueAfterMs: number | null }) {
  expect(state).toBe('pending');
  expect(dueAfterMs).toBeGreaterThan(3900);
  expect(dueAfterMs).toBeLessThan(6100);
}

describe.concurrent('one attempt', () => {
  test('a head that drips: cut after 15 s, at most four at once; other receivers are served at once', async () => {
    const dripping = await receiverThat(faults.slowHead());
    const tokens = await Promise.all(Array.from({ length: 6 }, () => callBack(`${dripping.url}/drip`)));
    await waitFor(() => dripping.requests.length === 4, { describe: 'four callbacks to drip' });
    const good = await receiverThat();
    const asked = performance.now();
    const token = await callBack(`${good.url}/good`);
    await good.waitForRequests(1);
    expect(performance.now() - asked).toBeLessThan(2000);
    await waitFor(async () => (await stored.delivery(token)).state === 'delivered', { describe: 'the good delivery' });
    expect(dripping.requests).toHaveLength(4);

    const first = await waitFor(
      async () => {
        const deliveries = await Promise.all(tokens.map((of) => stored.delivery(of)));
        return deliveries.find(({ attempts }) => attempts.length > 0);
      },
      { timeout: 2000 + attemptSeconds * 1000, describe: 'an attempt to be given up' },
    );
    expect(first.attempts).toMatchObject([{ number: 1, status: null, error: 'timeout' }]);
    const { durationMs = 0 } = first.attempts[0] ?? {};
    expect(durationMs).toBeGreaterThan(attemptSeconds * 1000 - 100);
    expect(durationMs).toBeLessThan(attemptSeconds * 1000 + 1500);
    expect(first.state).toBe('pending');
  });

  test('a body that drips: the status counts, and the connection ends after 15 s', async () => {
    const dripping = await receiverThat(faults.slowBody());
    const { state, attempt } = await attempted(await callBack(dripping.url), 2000 + attemptSeconds * 1000);
    expect(state).toBe('delivered');
    expect(attempt).toMatchObject({ status: 200, error: null });
    expect(attempt.durationMs).toBeLessThan(attemptSeconds * 1000 + 1500);
    await waitFor(() => dripping.openConnections === 0, { describe: 'the connection to end' });
  });

  test('a body without end: the status counts, and no more than 64 KiB are read', async () => {
    const endless = await receiverThat(faults.endlessBody());
    const { state, attempt } = await attempted(await callBack(endless.url));
    expect(state).toBe('delivered');
    expect(attempt).toMatchObject({ status: 200, error: null });
    expect(attempt.durationMs).toBeLessThan(3000);
    await waitFor(() => endless.openConnections === 0, { describe: 'the connection to end' });
  });

  test('302: a failure, and not followed', async () => {
    const target = await receiverThat();
    const redirecting = await receiverThat(faults.redirectTo(`${target.url}/elsewhere`));
    const delivery = await attempted(await callBack(redirecting.url));
    expect(delivery.attempt).toMatchObject({ status: 302, error: 'redirected' });
    expectRetry(delivery);
    expect(target.connections).toBe(0);
  });

  test('410: dead at once', async () => {
    const gone = await receiverThat(faults.gone());
    const { state, attempt, nextAt, endedAt } = await attempted(await callBack(gone.url));
    expect(attempt).toMatchObject({ status: 410, error: null });
    expect({ state, nextAt, endedAt }).toEqual({ state: 'dead', nextAt: null, endedAt: expect.any(Date) });
  });

  test('429 with Retry-After: not before that', async () => {
    const limiting = await receiverThat(faults.tooManyRequests(3600));
    const { state, attempt, dueAfterMs } = await attempted(await callBack(limiting.url));
    expect(state).toBe('pending');
    expect(attempt).toMatchObject({ status: 429, error: null });
    expect(dueAfterMs).toBeGreaterThan(3_599_000);
    expect(dueAfterMs).toBeLessThan(3_601_000);
  });

  test('429 with a Retry-After of a week: a day', async () => {
    const limiting = await receiverThat(faults.tooManyRequests(7 * 86_400));
    const { dueAfterMs } = await attempted(await callBack(limiting.url));
    expect(dueAfterMs).toBeGreaterThan(86_399_000);
    expect(dueAfterMs).toBeLessThan(86_401_000);
  });

  test('a certificate that nobody has signed: nothing is sent', async () => {
    const unsigned = await receiverThat(200, { tls: {} });
    const delivery = await attempted(await callBack(unsigned.url));
    expect(delivery.attempt).toMatchObject({ status: null, error: 'tls_error' });
    expectRetry(delivery);
    expect(unsigned.requests).toHaveLength(0);
  });

  test('a name that does not resolve', async () => {
    // A label of 64 characters is no name: no resolver has to be asked, whose silence would be another failure.
    const delivery = await attempted(await callBack(`https://${'a'.repeat(64)}.invalid/hook`));
    expect(delivery.attempt).toMatchObject({ status: null, error: 'name_not_resolved' });
    expectRetry(delivery);
  });

  test('nobody listens; closed without an answer; bytes that are not HTTP', async () => {
    const absent = await receiverThat();
    await absent.stop();
    const closing = await receiverThat(faults.closeWithoutAnswer());
    const babbling = await receiverThat(faults.garbage());
    for (const [receiver, error] of [
      [absent, 'connection_refused'],
      [closing, 'connection_closed'],
      [babbling, 'invalid_answer'],
    ] as const) {
      const delivery = await attempted(await callBack(receiver.url));
      expect(delivery.attempt).toMatchObject({ status: null, error });
      expectRetry(delivery);
    }
  });
});
