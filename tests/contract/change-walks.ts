/** The rows of *Endpoints* that change a command, or follow its callback. */
import { expect } from 'vitest';
import type { WireCommand } from '../../lib/command.ts';
import { waitFor } from '../support/process.ts';
import type { Answer } from '../support/send.ts';
import { notAToken, type Scene } from './scene.ts';
import type { Walks } from './walk.ts';

const oneCommand = { 'content-type': 'application/json', 'cache-control': 'no-store' };
const one = ({ body }: Answer) => JSON.parse(body) as WireCommand;

type Deliveries = { webhook_id: string; state: string; next_attempt_at: string | null; attempts: { number: number }[] };

/** A command whose callback the receiver has taken, with what the API says of it. */
async function calledBack(scene: Scene): Promise<{ path: string; deliveries: () => Promise<Deliveries> }> {
  const { token } = await scene.finished({ cmd: 'apps:list', callback_url: `${scene.receiver.url}/done` });
  const path = `/commands/${token}/deliveries`;
  return { path, deliveries: async () => JSON.parse((await scene.send('GET', path)).body) as Deliveries };
}

export const changeWalks: Walks = {
  '`POST /commands/:token/retry`': async (check, scene) => {
    const old = await scene.finished({ cmd: 'ps:scale api web=1', timeout: '7' });
    const path = `/commands/${old.token}/retry`;
    const posted = await scene.post(path, {});
    check.status(posted, 202);
    const retry = one(posted);
    check.headers(posted, { ...oneCommand, location: `/commands/${retry.token}`, deprecation: null });
    check.body(retry, { command: old.command, timeout: 7, state: 'queued', retry_of: old.token });
    expect(retry.token).not.toBe(old.token);
    await scene.web.final(retry.token);

    const hold = await scene.daemon.hold('ps:scale api web=1');
    const legacy = await scene.send('GET', path);
    check.status(legacy, 202);
    check.headers(legacy, { ...oneCommand, deprecation: /^@\d+$/ });
    check.body(one(legacy), { command: old.command, retry_of: old.token });
    check.body(one(await scene.send('GET', path)).token, one(legacy).token);
    await hold.held();
    for (const method of ['GET', 'POST']) {
      const early = await scene.send(method, `/commands/${one(legacy).token}/retry`);
      check.status(early, 409);
      check.body(JSON.parse(early.body), { code: 'not_final' });
    }
    await hold.release();
    await scene.web.final(one(legacy).token);
    expect(one(await scene.send('GET', path)).token).not.toBe(one(legacy).token);
    check.status(await scene.post(`/commands/${notAToken}/retry`, {}), 404);
  },

  '`DELETE /commands/:token`': async (check, scene) => {
    const hold = await scene.daemon.hold('ps:inspect api');
    const running = one(await scene.post('/commands', { cmd: 'ps:inspect api' }));
    await hold.held();
    const { token } = one(await scene.post('/commands', { cmd: 'apps:report' }));
    const canceled = await scene.send('DELETE', `/commands/${token}`);
    check.status(canceled, 200);
    check.headers(canceled, oneCommand);
    check.body(one(canceled), {
      token,
      state: 'canceled',
      reason: 'command_canceled',
      result_data: { ok: false, output: 'command_canceled' },
    });
    const refusals = [
      { of: running.token, code: 'already_running' },
      { of: token, code: 'already_final' },
    ];
    for (const { of, code } of refusals) {
      const answer = await scene.send('DELETE', `/commands/${of}`);
      check.status(answer, 409);
      check.body(JSON.parse(answer.body), { code });
    }
    await hold.release();
    await scene.web.final(running.token);
    expect(scene.daemon.runs().map(({ line }) => line)).not.toContain('apps:report');
  },

  '`GET /commands/:token/deliveries`': async (check, scene) => {
    const { path, deliveries } = await calledBack(scene);
    await waitFor(async () => (await deliveries()).state === 'delivered', { describe: 'the delivery' });
    const answer = await scene.send('GET', path);
    check.status(answer, 200);
    check.headers(answer, { 'content-type': 'application/json' });
    check.body(JSON.parse(answer.body), {
      webhook_id: expect.any(String),
      state: 'delivered',
      next_attempt_at: null,
      attempts: [{ number: 1, at: expect.any(String), status: 200, error: null, duration_ms: expect.any(Number) }],
    });
  },

  '`POST /commands/:token/deliveries`': async (check, scene) => {
    const { path, deliveries } = await calledBack(scene);
    await waitFor(async () => (await deliveries()).attempts.length === 1, { describe: 'the first attempt' });
    const { webhook_id: webhookId } = await deliveries();
    const answer = await scene.post(path, {});
    check.status(answer, 202);
    check.headers(answer, { 'content-type': 'application/json' });
    check.body(JSON.parse(answer.body), { webhook_id: webhookId });
    await waitFor(async () => (await deliveries()).attempts.length === 2, { describe: 'the second attempt' });
    const sent = scene.receiver.requests.filter(({ headers }) => headers['webhook-id'] === webhookId);
    check.body(sent.length, 2);
  },
};
