/** Postgres is away, restarted and cut off at every point at which somebody waits for it. */
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { WireCommand } from '../../lib/command.ts';
import { holdAnswer, holdRequest } from '../support/held-message.ts';
import { createInstallation, type Installation, type Web } from '../support/installation.ts';
import { type OwnPostgres, startOwnPostgres } from '../support/own-postgres.ts';
import { waitFor } from '../support/process.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { query } from '../support/query.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { type Replica, Replicas } from '../support/replicas.ts';
import type { StandIn } from '../support/stand-in.ts';
import { type Stored, storedIn } from '../support/stored.ts';

const leaseSeconds = 2;

let postgres: OwnPostgres;
let installation: Installation;
let web: Web;
let daemon: StandIn;
let stored: Stored;
let receiver: Receiver;
/** From the web process, and from the workers, to Postgres. */
let fromWeb: TestProxy;
let fromWorkers: TestProxy;
let replicas: Replicas;

beforeAll(async () => {
  postgres = await startOwnPostgres();
  receiver = await startReceiver();
  installation = await createInstallation({
    databaseUrl: postgres.url,
    env: { LEASE_SECONDS: String(leaseSeconds), CALLBACK_ALLOW: '127.0.0.1' },
  });
  daemon = installation.daemons.get('default') as StandIn;
  stored = storedIn(installation.database);
  fromWeb = await startProxy({ target: postgres.url });
  fromWorkers = await startProxy({ target: postgres.url });
  replicas = new Replicas(installation, { DATABASE_URL: fromWorkers.url(postgres.url) });
  [web] = await Promise.all([installation.startWeb({ DATABASE_URL: fromWeb.url(postgres.url) }), replicas.fill(2)]);
  return async () => await receiver.stop();
});

beforeEach(async () => await replicas.owner());

afterEach(async () => {
  await daemon.reset();
  expect(replicas.alive).toHaveLength(2);
});

const accept = (cmd: string) => web.accept({ cmd, callback_url: `${receiver.url}/hook` });
/** How often it looked in vain for what became of a claim. */
const lookUps = ({ process }: Replica) =>
  process.entries().filter(({ msg }) => msg === 'looking up a claim failed').length;
const rowsOf = async (cmd: string) =>
  await query(postgres.url, 'SELECT token, state FROM dokku_api.commands WHERE command = $1', [cmd]);

/** It ran once and was called back once. */
async function succeeded(token: string, cmd: string) {
  const command = await web.final(token);
  expect(command).toMatchObject({ state: 'succeeded', late_result_data: null });
  await waitFor(async () => (await stored.delivery(token)).state === 'delivered', { describe: 'the callback' });
  expect(daemon.timesSent(cmd)).toBe(1);
  const bodies = receiver.requests.map(({ body }) => JSON.parse(body)).filter((body) => body.token === token);
  expect(bodies).toEqual([command]);
}

describe('away for three times the lease, then back', () => {
  test('no lease is stolen from its living owner, and what runs is not lost', async () => {
    const cmd = 'config:set api AWAY=running';
    const hold = await daemon.hold(cmd);
    const { token } = await accept(cmd);
    const next = await accept('config:set api AWAY=queued');
    await hold.held();
    const { owner, epoch } = await stored.lease();
    const since = performance.now();
    await postgres.stop();
    await waitFor(() => performance.now() - since > 3 * leaseSeconds * 1000, { describe: 'three leases to pass' });
    await postgres.start();
    // The other one looks at the lease for longer than it lasts: long enough to take it.
    const back = performance.now();
    await waitFor(() => performance.now() - back > 1.5 * leaseSeconds * 1000, {
      describe: 'a lease and a half to pass',
    });
    expect(await stored.lease()).toMatchObject({ owner, epoch, blockedSince: null });
    await hold.release();
    await succeeded(token, cmd);
    await succeeded(next.token, 'config:set api AWAY=queued');
    expect(await stored.lease()).toMatchObject({ owner, epoch });
  });
});

describe('restarted: the processes live on', () => {
  test('idle', async () => {
    await postgres.start();
    await waitFor(async () => (await web.post('/commands', { cmd: 'apps:list' })).status === 202, {
      describe: 'a 202',
    });
    const { token } = await accept('config:set api RESTARTED=idle');
    await succeeded(token, 'config:set api RESTARTED=idle');
  });

  test('idle, by the crash of one of its processes', async () => {
    const [backend] = await query(
      postgres.url,
      "SELECT min(pid) AS pid FROM pg_stat_activity WHERE application_name = 'dokku-api'",
    );
    process.kill(Number(backend?.pid), 'SIGKILL');
    await waitFor(async () => (await web.post('/commands', { cmd: 'apps:list' })).status === 202, {
      describe: 'a 202',
    });
    const { token } = await accept('config:set api RESTARTED=crash');
    await succeeded(token, 'config:set api RESTARTED=crash');
  });

  test('at accept: 503, and with the same Idempotency-Key one command', async () => {
    const cmd = 'config:set api RESTARTED=accept';
    const key = { 'Idempotency-Key': 'restarted-at-accept' };
    const post = () => web.post('/commands', { cmd, callback_url: `${receiver.url}/hook` }, key);
    const insert = holdRequest(fromWeb, 'idempotency_keys');
    const posted = post();
    await insert.reached;
    await postgres.stop();
    insert.settle('forward');
    const refused = await posted;
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ status: 'error', code: 'outcome_unknown' });
    const location = String(refused.headers.get('location'));

    const away = await post();
    expect(away.status).toBe(503);
    expect(away.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(await away.json()).toMatchObject({ status: 'error', code: 'database_unavailable' });

    await postgres.start();
    expect((await web.get(location)).status).toBe(404);
    const accepted = await post();
    expect([accepted.status, accepted.headers.get('idempotent-replayed')]).toEqual([202, null]);
    const again = await post();
    expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([202, 'true']);
    const [{ token }, replayed] = (await Promise.all([accepted.json(), again.json()])) as [WireCommand, WireCommand];
    expect(replayed.token).toBe(token);
    await succeeded(token, cmd);
    expect(await rowsOf(cmd)).toEqual([{ token, state: 'succeeded' }]);
  });

  test('at claim: nothing is written to the socket until it is back', async () => {
    const cmd = 'config:set api RESTARTED=claim';
    const claim = holdRequest(fromWorkers, 'claim_command');
    const { token } = await accept(cmd);
    await claim.reached;
    const owner = await replicas.owner();
    const before = lookUps(owner);
    await postgres.stop();
    claim.settle('forward');
    await waitFor(() => lookUps(owner) > before, { describe: 'a look at what became of the claim' });
    expect(daemon.timesSent(cmd)).toBe(0);
    await postgres.start();
    await succeeded(token, cmd);
  });

  test('at finish: the result is kept and stored', async () => {
    const cmd = 'config:set api RESTARTED=finish';
    const hold = await daemon.hold(cmd);
    const { token } = await accept(cmd);
    await hold.held();
    const owner = await replicas.owner();
    await postgres.stop();
    await hold.release();
    await owner.process.waitForLog(({ msg, token: of }) => msg === 'result not stored yet' && of === token);
    await postgres.start();
    await succeeded(token, cmd);
  });
});

describe('its COMMIT was done, but the answer cut off', () => {
  test('at accept, and Postgres is there: accepted, one command', async () => {
    const cmd = 'config:set api IN_DOUBT=accept';
    const insert = holdAnswer(fromWeb, 'insert_command');
    const posted = accept(cmd);
    await insert.reached;
    insert.settle('cut');
    const { token } = await posted;
    await succeeded(token, cmd);
    expect(await rowsOf(cmd)).toEqual([{ token, state: 'succeeded' }]);
  });

  test('at accept, and Postgres is away: 503 outcome_unknown, and with the same Idempotency-Key one command', async () => {
    const cmd = 'config:set api IN_DOUBT=accept-away';
    const key = { 'Idempotency-Key': 'in-doubt-at-accept' };
    const post = () => web.post('/commands', { cmd, callback_url: `${receiver.url}/hook` }, key);
    const insert = holdAnswer(fromWeb, 'idempotency_keys');
    const posted = post();
    await insert.reached;
    await postgres.stop();
    insert.settle('cut');
    const refused = await posted;
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ status: 'error', code: 'outcome_unknown' });

    await postgres.start();
    const found = await web.get(String(refused.headers.get('location')));
    expect(found.status).toBe(200);
    const { token } = (await found.json()) as WireCommand;
    const again = await post();
    expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([202, 'true']);
    expect(((await again.json()) as WireCommand).token).toBe(token);
    await succeeded(token, cmd);
    expect(await rowsOf(cmd)).toEqual([{ token, state: 'succeeded' }]);
  });

  test('at claim: found by its epoch, and sent once', async () => {
    const cmd = 'config:set api IN_DOUBT=claim';
    const { epoch } = await stored.lease();
    const claim = holdAnswer(fromWorkers, 'claim_command', cmd);
    const { token } = await accept(cmd);
    await claim.reached;
    claim.settle('cut');
    await succeeded(token, cmd);
    expect(await stored.command(token)).toMatchObject({ epoch });
  });

  test('at claim, and Postgres is away: nothing is written to the socket without a proven claim', async () => {
    const cmd = 'config:set api IN_DOUBT=claim-away';
    const claim = holdAnswer(fromWorkers, 'claim_command', cmd);
    const { token } = await accept(cmd);
    await claim.reached;
    const owner = await replicas.owner();
    const before = lookUps(owner);
    await postgres.stop();
    claim.settle('cut');
    await waitFor(() => lookUps(owner) > before + 1, { describe: 'two looks at what became of the claim' });
    expect(daemon.timesSent(cmd)).toBe(0);
    await postgres.start();
    await succeeded(token, cmd);
  });

  test('at finish: final once, with one callback', async () => {
    const cmd = 'config:set api IN_DOUBT=finish';
    const finish = holdAnswer(fromWorkers, 'finish_command');
    const { token } = await accept(cmd);
    await finish.reached;
    const row = await stored.command(token);
    expect(row.state).toBe('succeeded');
    finish.settle('cut');
    await succeeded(token, cmd);
    expect(await stored.command(token)).toEqual(row);
  });

  test('at finish, which claimed the next command too: each is sent once, and final once', async () => {
    const [cmd, following] = ['config:set api IN_DOUBT=finish-and-claim', 'config:set api IN_DOUBT=claimed-with-it'];
    const finish = holdAnswer(fromWorkers, 'finish_command_and_claim', following);
    const hold = await daemon.hold(cmd);
    const first = await accept(cmd);
    await hold.held();
    const next = await accept(following);
    await hold.release();
    await finish.reached;
    expect(await stored.command(first.token)).toMatchObject({ state: 'succeeded' });
    expect(await stored.command(next.token)).toMatchObject({ state: 'running' });
    finish.settle('cut');
    await succeeded(first.token, cmd);
    await succeeded(next.token, following);
  });
});
