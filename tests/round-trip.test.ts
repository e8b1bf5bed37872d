import { Webhook } from 'standardwebhooks';
import { beforeAll, describe, expect, test } from 'vitest';
import { createInstallation, type Installation, type Web } from './support/installation.ts';
import { waitFor } from './support/process.ts';
import { type Receiver, startReceiver } from './support/receiver.ts';

let installation: Installation;
let web: Web;
let receiver: Receiver;

beforeAll(async () => {
  receiver = await startReceiver();
  installation = await createInstallation({ servers: ['default', 'eu'], env: { CALLBACK_ALLOW: '127.0.0.1' } });
  [web] = await Promise.all([installation.startWeb(), ...[1, 2, 3].map(() => installation.startWorker())]);
  return async () => await receiver.stop();
});

describe('one command', () => {
  test('sync=true answers with the seed’s form, to the letter', async () => {
    const response = await web.post('/commands', { cmd: 'apps:list', sync: 'true' });
    expect(response.status).toBe(200);
    const text = await response.text();
    const command = JSON.parse(text);
    expect(Object.keys(command)).toEqual([
      'id',
      'token',
      'command',
      'created_at',
      'ran_at',
      'result_data',
      'state',
      'reason',
      'server',
      'callback_url',
      'timeout',
      'started_at',
      'duration_ms',
      'retry_of',
      'result_json',
      'late_result_data',
      'output_truncated',
      'created_by',
    ]);
    const seconds = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/;
    expect(command).toMatchObject({
      id: expect.any(Number),
      token: expect.stringMatching(/^[0-9a-f]{64}$/),
      command: 'apps:list',
      created_at: expect.stringMatching(seconds),
      ran_at: expect.stringMatching(seconds),
      result_data: { ok: true, output: '=====> My Apps\napi\ndokku-api\nhello_world' },
      state: 'succeeded',
      created_by: expect.stringMatching(/^key_/),
    });
    expect(await (await web.get(`/commands/${command.token}`)).text()).toBe(text);
  });

  test('a client of the Ruby app goes on: a form, the token, result_data.ok, then status "error"', async () => {
    const form = await web.post('/commands', { cmd: 'apps:create round-trip', sync: 'false' });
    const { token, result_data, ran_at } = (await form.json()) as Record<string, unknown>;
    expect({ result_data, ran_at }).toEqual({ result_data: null, ran_at: null });
    const command = await web.final(String(token));
    expect(command.result_data?.ok).toBe(true);
    const refused = await web.post('/commands', { cmd: ' ' });
    expect(refused.status).toBe(422);
    expect(await refused.json()).toMatchObject({ status: 'error', messages: ['cmd must not be blank'] });
  });

  test('calls back with the same object, signed so that the Standard Webhooks library accepts it', async () => {
    const key = await installation.generateKey();
    const accepted = await web.post(
      '/commands',
      { cmd: 'ps:report api', callback_url: `${receiver.url}/hook` },
      { 'Api-Key': key.apiKey, 'Api-Secret': key.apiSecret },
    );
    expect(accepted.status).toBe(202);
    const [request] = await receiver.waitForRequests(1);
    const { token } = (await accepted.json()) as { token: string };
    const headers = Object.fromEntries(
      Object.entries(request?.headers ?? {}).map(([name, value]) => [name, String(value)]),
    );
    expect(headers['content-type']).toBe('application/json');
    expect(new Webhook(key.signingSecret).verify(request?.body ?? '', headers)).toEqual(
      await (await web.get(`/commands/${token}`)).json(),
    );
    const delivery = await waitFor(
      async () => {
        const response = await web.get(`/commands/${token}/deliveries`);
        const answer = (await response.json()) as { state: string };
        return answer.state === 'delivered' && answer;
      },
      { describe: 'the attempt to be recorded' },
    );
    expect(delivery).toMatchObject({
      webhook_id: headers['webhook-id'],
      next_attempt_at: null,
      attempts: [{ number: 1, status: 200, error: null }],
    });
  });
});

test('200 commands at once, three workers, two servers: each once, in order, none overlapping', async () => {
  const accepted = await Promise.all(
    Array.from({ length: 200 }, (_, index) =>
      web.accept({ cmd: `config:set api NUMBER=${index}`, server: index % 2 === 0 ? 'default' : 'eu' }),
    ),
  );
  for (const { token } of accepted) expect((await web.final(token)).state).toBe('succeeded');
  for (const [server, daemon] of installation.daemons) {
    const expected = accepted
      .filter((command) => command.server === server)
      .sort((a, b) => a.id - b.id)
      .map(({ command }) => command);
    const runs = daemon.runs().filter(({ line }) => line.startsWith('config:set api NUMBER='));
    expect(runs.map(({ line }) => line)).toEqual(expected);
    for (const [index, run] of runs.entries()) {
      const before = runs[index - 1];
      if (before) expect(before.endedAt !== null && run.startedAt >= before.endedAt).toBe(true);
    }
  }
});
