/** A worker is killed at each step of a run. The kills are SIGKILLs from outside, each at a message that a proxy holds. */
import { randomBytes } from 'node:crypto';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { holdAnswer, holdRequest } from '../support/held-message.ts';
import { createInstallation, type Installation, type Web } from '../support/installation.ts';
import { waitFor } from '../support/process.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { Replicas } from '../support/replicas.ts';
import type { StandIn } from '../support/stand-in.ts';
import { type Stored, storedIn } from '../support/stored.ts';

const leaseSeconds = 2;
const lostWithinMs = (leaseSeconds + 5) * 1000;

let installation: Installation;
let web: Web;
let daemon: StandIn;
let stored: Stored;
let receiver: Receiver;
/** Between the workers and Postgres. */
let postgres: TestProxy;
let replicas: Replicas;

beforeAll(async () => {
  receiver = await startReceiver();
  installation = await createInstallation({
    env: { LEASE_SECONDS: String(leaseSeconds), CALLBACK_ALLOW: '127.0.0.1' },
  });
  daemon = installation.daemons.get('default') as StandIn;
  stored = storedIn(installation.database);
  postgres = await startProxy({ target: installation.databaseUrl });
  replicas = new Replicas(installation, { DATABASE_URL: postgres.url(installation.databaseUrl) });
  web = await installation.startWeb();
  return async () => await receiver.stop();
});

beforeEach(async () => {
  await replicas.fill(2);
  await replicas.owner();
});

afterEach(async () => await daemon.reset());

const accept = (cmd: string) => web.accept({ cmd, callback_url: `${receiver.url}/hook` });
const callbacksOf = (token: string) => receiver.requests.filter((request) => JSON.parse(request.body).token === token);

/** The state, its result and its one callback, in time after a kill; returns the command as it was called back. */
async function lost(token: string, killedAt: number) {
  const command = await web.final(token);
  expect(performance.now() - killedAt).toBeLessThan(lostWithinMs);
  expect(command).toMatchObject({
    state: 'lost',
    reason: 'command_lost',
    result_data: { ok: false, output: 'command_lost' },
    late_result_data: null,
  });
  await waitFor(() => callbacksOf(token).length > 0, { describe: 'the callback of the lost command' });
  await waitFor(async () => (await stored.delivery(token)).state === 'delivered', { describe: 'its delivery' });
  expect(callbacksOf(token).map(({ body }) => JSON.parse(body))).toEqual([command]);
}

async function succeeded(token: string) {
  expect(await web.final(token)).toMatchObject({ state: 'succeeded', result_data: { ok: true } });
}

describe('kill -9 before the claim commits', () => {
  test('the command stays queued, and the other replica sends it once', async () => {
    const claim = holdRequest(postgres, 'claim_command');
    const { token } = await accept('config:set api KILLED=before-claim');
    await claim.reached;
    const before = await replicas.killOwner();
    claim.settle('cut');
    expect(await stored.command(token)).toMatchObject({ state: 'queued', epoch: null, startedAt: null });
    await succeeded(token);
    expect(daemon.timesSent('config:set api KILLED=before-claim')).toBe(1);
    expect((await replicas.owner()).id).not.toBe(before.id);
  });

  test('a claim that commits after its worker died is ended by the new owner, which goes on', async () => {
    const blocker = await installation.database.$client.connect();
    // No claim comes between the command and the lock of its row.
    postgres.hold();
    const first = await accept('config:set api KILLED=claim-under-way');
    await blocker.query('BEGIN');
    await blocker.query('SELECT FROM dokku_api.commands WHERE token = $1 FOR UPDATE', [first.token]);
    postgres.resume();
    // It has the lease's row, and waits for the command's.
    await waitFor(async () => (await stored.lockWaits('update "dokku_api"."commands"')) > 0, {
      describe: 'the claim to wait in Postgres',
    });
    const { epoch } = await stored.lease();
    await replicas.killOwner();
    const killedAt = performance.now();
    const next = await accept('config:set api AFTER=claim-under-way');
    await blocker.query('COMMIT');
    blocker.release();
    await waitFor(async () => (await stored.command(first.token)).state === 'running', { describe: 'the late claim' });
    expect(await stored.command(first.token)).toMatchObject({ epoch });
    await lost(first.token, killedAt);
    await succeeded(next.token);
    expect((await stored.command(next.token)).epoch).toBeGreaterThan(epoch);
    expect(daemon.timesSent('config:set api KILLED=claim-under-way')).toBe(0);
    expect(daemon.timesSent('config:set api AFTER=claim-under-way')).toBe(1);
  });
});

test('a claim that commits after its lease was taken over: the new owner ends that row and goes on', async () => {
  await replicas.killOwner();
  const { id } = await replicas.owner();
  // The claim's lock on the lease keeps a take-over waiting, so that only what goes around it can leave such a row.
  const { epoch } = await stored.lease();
  const token = randomBytes(32).toString('hex');
  await installation.database.$client.query(
    `INSERT INTO dokku_api.commands
      (token, server, command, state, epoch, started_at, timeout_seconds, key_id, created_by, owner, callback_url)
    SELECT $1, 'default', 'config:set api TAKEN_OVER=late', 'running', $2, now(), 600, id, public_id, owner, $3
    FROM dokku_api.keys LIMIT 1`,
    [token, epoch - 1, `${receiver.url}/hook`],
  );
  const committedAt = performance.now();
  const next = await accept('config:set api TAKEN_OVER=next');
  await lost(token, committedAt);
  await succeeded(next.token);
  expect(daemon.timesSent('config:set api TAKEN_OVER=late')).toBe(0);
  expect(daemon.timesSent('config:set api TAKEN_OVER=next')).toBe(1);
  expect(await stored.lease()).toMatchObject({ owner: id, epoch });
});

describe('kill -9 after the claim: lost in time, with its callback, never sent again', () => {
  test('before the write', async () => {
    const claim = holdAnswer(postgres, 'claim_command', 'KILLED=before-write');
    const first = await accept('config:set api KILLED=before-write');
    await claim.reached;
    expect((await stored.command(first.token)).state).toBe('running');
    const next = await accept('config:set api AFTER=before-write');
    await replicas.killOwner();
    const killedAt = performance.now();
    claim.settle('cut');
    await lost(first.token, killedAt);
    await succeeded(next.token);
    expect(daemon.timesSent('config:set api KILLED=before-write')).toBe(0);
    expect(daemon.timesSent('config:set api AFTER=before-write')).toBe(1);
  });

  test('before the write, claimed with the end of the one before it, which stays as it ended', async () => {
    const finish = holdAnswer(postgres, 'finish_command_and_claim', 'KILLED=claimed-with-it');
    const hold = await daemon.hold('config:set api ENDED=with-a-claim');
    const ended = await accept('config:set api ENDED=with-a-claim');
    await hold.held();
    const first = await accept('config:set api KILLED=claimed-with-it');
    const next = await accept('config:set api AFTER=claimed-with-it');
    await hold.release();
    await finish.reached;
    await replicas.killOwner();
    const killedAt = performance.now();
    finish.settle('cut');
    await succeeded(ended.token);
    await lost(first.token, killedAt);
    await succeeded(next.token);
    for (const [line, times] of [
      ['ENDED=with-a-claim', 1],
      ['KILLED=claimed-with-it', 0],
      ['AFTER=claimed-with-it', 1],
    ] as const) {
      expect([line, daemon.timesSent(`config:set api ${line}`)]).toEqual([line, times]);
    }
  });

  test('mid-command; the next one waits until Dokku’s lock is free', async () => {
    const hold = await daemon.hold('config:set api KILLED=mid-command');
    const first = await accept('config:set api KILLED=mid-command');
    const next = await accept('config:set api AFTER=mid-command');
    await hold.held();
    await replicas.killOwner();
    await lost(first.token, performance.now());
    await waitFor(async () => (await daemon.status()).waiting.some(({ line }) => line === 'help'), {
      describe: 'the successor to wait for the lock',
    });
    expect((await stored.lease()).blockedSince).not.toBeNull();
    expect(await stored.command(next.token)).toMatchObject({ state: 'queued', waitedMs: 0 });
    await hold.release();
    await succeeded(next.token);
    expect((await stored.lease()).blockedSince).toBeNull();
    const [before, after] = ['KILLED', 'AFTER'].map((name) =>
      daemon.runs().filter(({ line }) => line === `config:set api ${name}=mid-command`),
    );
    expect([before?.length, after?.length]).toEqual([1, 1]);
    expect((after?.[0]?.startedAt ?? 0n) >= (before?.[0]?.endedAt ?? 0n)).toBe(true);
  });

  test('reply read, not stored', async () => {
    const finish = holdRequest(postgres, 'finish_command');
    const first = await accept('config:set api KILLED=not-stored');
    const next = await accept('config:set api AFTER=not-stored');
    await finish.reached;
    await replicas.killOwner();
    const killedAt = performance.now();
    finish.settle('cut');
    await lost(first.token, killedAt);
    await succeeded(next.token);
    expect(daemon.timesSent('config:set api KILLED=not-stored')).toBe(1);
    expect(daemon.timesSent('config:set api AFTER=not-stored')).toBe(1);
  });
});

describe('kill -9 after the result, before anything else', () => {
  test('it is final, and the successor calls back', async () => {
    const finish = holdAnswer(postgres, 'finish_command');
    const { token } = await accept('config:set api KILLED=stored');
    await finish.reached;
    await replicas.killOwner();
    finish.settle('cut');
    const row = await stored.command(token);
    expect(row).toMatchObject({ state: 'succeeded', reason: null, ok: true });
    await waitFor(() => callbacksOf(token).length > 0, { describe: 'the callback' });
    await waitFor(async () => (await stored.delivery(token)).state === 'delivered', { describe: 'its delivery' });
    expect(callbacksOf(token)).toHaveLength(1);
    expect(await stored.command(token)).toEqual(row);
    expect(daemon.timesSent('config:set api KILLED=stored')).toBe(1);
  });

  test('killed at the callback, before its attempt was recorded: repeated under the same webhook-id', async () => {
    // Either replica may send it: the one that does is the one that is killed.
    const attempt = holdRequest(postgres, 'record_attempts');
    const { token } = await accept('config:set api KILLED=at-callback');
    const connection = await attempt.reached;
    await succeeded(token);
    expect(callbacksOf(token)).toHaveLength(1);
    for (const { process } of replicas.alive) {
      process.signal('SIGKILL');
      await process.exit;
    }
    connection.cut();
    attempt.settle('cut');
    expect(await stored.delivery(token)).toMatchObject({ state: 'pending', attempt: 0, attempts: [] });
    // Three quarters of a minute pass, after which a delivery whose sender died is due again.
    await installation.database.$client.query('UPDATE dokku_api.deliveries SET locked_until = now()');
    await replicas.fill(2);
    await waitFor(async () => (await stored.delivery(token)).state === 'delivered', { describe: 'the second POST' });
    const received = callbacksOf(token);
    const { webhookId, attempts } = await stored.delivery(token);
    expect(received.map(({ headers }) => headers['webhook-id'])).toEqual([webhookId, webhookId]);
    expect(received[1]?.body).toBe(received[0]?.body);
    expect(attempts).toMatchObject([{ number: 1, status: 200 }]);
  });
});
