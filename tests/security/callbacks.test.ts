/** A receiver of callbacks on an address that is not allowed sees no connection, from a real worker. */
import { hostname } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Canary, startCanary } from '../support/canary.ts';
import { createInstallation, type Installation, type Web } from '../support/installation.ts';
import { type TestProcess, waitFor } from '../support/process.ts';
import { faults, type Receiver, startReceiver } from '../support/receiver.ts';

/** The one address that the worker may call; every other one of the loopback network is forbidden. */
const allowed = '127.0.0.2';
const resolver = `--import=${new URL('../support/resolver.js', import.meta.url).href}`;
const answers = {
  'loopback.example': [['127.0.0.1']],
  'loopback6.example': [['::1']],
  'mapped.example': [['::ffff:127.0.0.1']],
  'nat64.example': [['64:ff9b::7f00:1']],
  'tunnel.example': [['2002:7f00:1::1', '::7f00:1']],
  'unspecified.example': [['0.0.0.0', '::']],
  'metadata.example': [['169.254.169.254', 'fd00:ec2::254']],
  'private.example': [['10.0.0.1', '192.168.0.1', '172.16.0.1', '100.64.0.1', 'fd00::1', 'fe80::1']],
  'mixed.example': [['127.0.0.1', allowed, '::1']],
  'rebinding.example': [[allowed], ['127.0.0.1']],
};

let installation: Installation;
let canary: Canary;
let receiver: Receiver;
/** A web process that takes any address, as if CALLBACK_ALLOW had been wider when it accepted, and one that takes none. */
let wide: Web;
let narrow: Web;
let worker: TestProcess;

beforeAll(async () => {
  canary = await startCanary();
  receiver = await startReceiver({ host: allowed, port: canary.port });
  receiver.answerWith({ status: 200, headers: { connection: 'close' } });
  installation = await createInstallation();
  [wide, narrow, worker] = await Promise.all([
    installation.startWeb({ CALLBACK_ALLOW: '0.0.0.0/0,::/0,localhost,*.localhost' }),
    installation.startWeb(),
    installation.startWorker({
      CALLBACK_ALLOW: allowed,
      NODE_OPTIONS: resolver,
      RESOLVER_ANSWERS: JSON.stringify(answers),
    }),
  ]);
});

afterAll(async () => {
  await Promise.all([canary.stop(), receiver.stop()]);
});

type Attempt = { number: number; status: number | null; error: string | null };

async function attemptsAt(token: string, count: number): Promise<Attempt[]> {
  return await waitFor(
    async () => {
      const { attempts } = (await (await wide.get(`/commands/${token}/deliveries`)).json()) as { attempts: Attempt[] };
      return attempts.length >= count && attempts;
    },
    { describe: `${count} attempts` },
  );
}

/** Runs a command with a callback to the host, at the canary's port, and returns its first attempt. */
async function call(host: string, scheme = 'http'): Promise<Attempt & { token: string }> {
  const callback_url = `${scheme}://${host}:${canary.port}/hook`;
  const { token } = await wide.accept({ cmd: 'apps:list', callback_url });
  const [first] = await attemptsAt(token, 1);
  return { ...(first as Attempt), token };
}

const literals = [
  '127.0.0.1',
  '127.1',
  '127.0.1',
  '2130706433',
  '0x7f000001',
  '0x7f.1',
  '0177.0.0.1',
  '017700000001',
  '0',
  '0.0.0.0',
  '１２７.0.0.1',
  '①②⑦.0.0.1',
  '127。0。0。1',
  '%31%32%37.0.0.1',
  '[::1]',
  '[0:0:0:0:0:0:0:1]',
  '[::]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[::127.0.0.1]',
  '[64:ff9b::127.0.0.1]',
  '[64:ff9b:1::7f00:1]',
  '[2002:7f00:1::]',
  '[2001:0:7f00:1::]',
  '169.254.169.254',
  '10.0.0.1',
  'localhost',
  'LOCALHOST.',
  'a.localhost',
];

describe('zero connections', () => {
  test('to literals in every notation: refused when asked for', async () => {
    for (const host of literals) {
      const response = await narrow.post('/commands', {
        cmd: 'apps:list',
        callback_url: `http://${host}:${canary.port}/`,
      });
      const body = (await response.json()) as { errors: { code: string }[] };
      expect([host, response.status, body.errors?.[0]?.code]).toEqual([host, 422, 'callback_not_allowed']);
    }
    expect(canary.connections).toBe(0);
  });

  test('to literals that were accepted before CALLBACK_ALLOW became narrower', async () => {
    const outcomes = await Promise.all(literals.map(async (host) => [host, (await call(host)).error]));
    expect(outcomes).toEqual(literals.map((host) => [host, 'address_not_allowed']));
    expect(canary.connections).toBe(0);
  });

  test.each(['http', 'https'])('to names, whatever they resolve to, by %s', async (scheme) => {
    const forbidden = Object.keys(answers).filter((name) => !/^(mixed|rebinding)/.test(name));
    const outcomes = await Promise.all(forbidden.map(async (name) => [name, (await call(name, scheme)).error]));
    expect(outcomes).toEqual(forbidden.map((name) => [name, 'address_not_allowed']));
    expect(canary.connections).toBe(0);
  });

  test('to this machine by the name that the system itself resolves', async () => {
    const { error } = await call(hostname());
    expect(['address_not_allowed', 'name_not_resolved', 'connection_refused']).toContain(error);
    expect(canary.connections).toBe(0);
  });

  test('to the forbidden addresses of a name that has an allowed one, too', async () => {
    const before = receiver.requests.length;
    expect(await call('mixed.example')).toMatchObject({ status: 200, error: null });
    expect([receiver.requests.length, canary.connections]).toEqual([before + 1, 0]);
  });

  test('to a name that is rebound between two attempts', async () => {
    const { token, status } = await call('rebinding.example');
    expect(status).toBe(200);
    await wide.post(`/commands/${token}/deliveries`);
    const [, second] = await attemptsAt(token, 2);
    expect(second).toMatchObject({ status: null, error: 'address_not_allowed' });
    expect(canary.connections).toBe(0);
  });

  test.each([301, 302, 303, 307, 308])('to where a %d leads', async (status) => {
    receiver.answerWith(faults.redirectTo(`http://127.0.0.1:${canary.port}/`, status));
    expect(await call(allowed)).toMatchObject({ status, error: 'redirected' });
    expect(canary.connections).toBe(0);
  });

  test('and what the worker says of it names no address', () => {
    const said = worker.lines().join('\n');
    expect(said).toContain('address_not_allowed');
    for (const host of ['127.0.0.1', 'loopback.example', '169.254']) expect(said).not.toContain(host);
  });
});

test('the canary sees a worker that may call it', async () => {
  const { token, error } = await call('127.0.0.1');
  expect(error).toBe('address_not_allowed');
  await worker.stop();
  await installation.startWorker({ CALLBACK_ALLOW: '127.0.0.1' });
  await wide.post(`/commands/${token}/deliveries`);
  await waitFor(() => canary.connections > 0, { describe: 'a connection' });
});
