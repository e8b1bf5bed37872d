/** A Redis that wants a password, a user, or TLS. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { createInstallation, type Installation } from '../support/installation.ts';
import { instantWakeups, runInSync } from '../support/instant-wakeups.ts';
import { consult } from './doctor.ts';
import { makeFolder } from './program.ts';
import { type RedisServer, startRedisServer } from './redis-server.ts';
import { withProcesses } from './with-processes.ts';

const slower = 'commands run all the same, each up to 2 s later';
const password = 'correct-horse';

let installation: Installation;

beforeAll(async () => {
  installation = await createInstallation();
});

/** Commands run with it: at once where it is usable, and as if there were none where it is not. */
async function runWith(env: Record<string, string>, expected: { usable: boolean; code?: string }): Promise<void> {
  await withProcesses(installation, env, async ({ web, worker }) => {
    const redis = async () => ((await (await fetch(`${web.url}/readyz`)).json()) as { redis: string }).redis;
    if (expected.usable) {
      await instantWakeups(web);
      await expect.poll(redis).toBe('ok');
      return;
    }
    await expect.poll(redis).toBe('degraded');
    expect(await runInSync(web)).toBeLessThan(3000);
    for (const process of [web.process, worker]) {
      const says = await process.waitForLog(({ msg }) => msg === 'Redis is out of reach');
      expect(says.code).toMatch(new RegExp(`^${expected.code}`));
    }
  });
}

const envOf = (url: string, more: Record<string, string> = {}) => ({ ...installation.env, REDIS_URL: url, ...more });

describe('a password, and a user of ACL', () => {
  let redis: RedisServer;

  beforeAll(async () => {
    redis = await startRedisServer([
      `requirepass ${password}`,
      `user api on >${password} ~{dokku-api}:* &{dokku-api}:* +@all -@admin -@dangerous`,
    ]);
  });

  test.each(['', 'default', 'api'])('as "%s"', async (user) => {
    const env = envOf(`redis://${user}:${password}@${redis.place}`);
    expect(await consult(env, 'Redis')).toBe(`ok Redis takes writes at redis://${redis.place}`);
    await runWith(env, { usable: true });
  });

  test.each([
    ['a wrong password', ':mistaken@', 'default', 'WRONGPASS'],
    ['none', '', 'default', 'NOAUTH'],
    ['a wrong one of a user', 'api:mistaken@', 'api', 'WRONGPASS'],
    ['a user that is not there', `stranger:${password}@`, 'stranger', 'WRONGPASS'],
  ])('%s', async (_, credentials, user, code) => {
    const env = envOf(`redis://${credentials}${redis.place}`);
    const remedy = `export REDIS_URL=redis://${user}:PASSWORD@${redis.place}`;
    expect(await consult(env, 'Redis')).toBe(
      `warning Redis redis://${redis.place}: the password is wrong; ${slower} → ${remedy}`,
    );
    await runWith(env, { usable: false, code });
  });
});

/** A certificate of an authority that nobody knows, for 127.0.0.1 and localhost unless other names are given. */
function createAuthority(names = 'IP:127.0.0.1,DNS:localhost') {
  const folder = makeFolder('certificates');
  const path = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync('/usr/bin/openssl', args, { cwd: folder, stdio: 'ignore' });
  openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'ca.key', '-out', 'ca.crt', '-subj', '/CN=ours');
  openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'redis.key', '-out', 'redis.csr', '-subj', '/CN=redis');
  writeFileSync(path('names'), `subjectAltName=${names}\n`);
  const sign = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'names', '-out', 'redis.crt'];
  openssl('x509', '-req', '-in', 'redis.csr', ...sign);
  return { authority: path('ca.crt'), key: path('redis.key'), certificate: path('redis.crt') };
}

async function startWithTls(names?: string) {
  const { authority, key, certificate } = createAuthority(names);
  const lines = [`tls-cert-file ${certificate}`, `tls-key-file ${key}`, `tls-ca-cert-file ${authority}`];
  const redis = await startRedisServer([...lines, 'tls-auth-clients no', `requirepass ${password}`]);
  return { redis, authority };
}

describe('TLS', () => {
  let redis: RedisServer;
  let authority: string;

  beforeAll(async () => {
    ({ redis, authority } = await startWithTls());
  });

  test('an authority of our own: named by NODE_EXTRA_CA_CERTS', async () => {
    const env = envOf(`rediss://:${password}@${redis.place}`, { NODE_EXTRA_CA_CERTS: authority });
    expect(await consult(env, 'Redis')).toBe(`ok Redis takes writes at rediss://${redis.place}`);
    await runWith(env, { usable: true });
  });

  test('and not named', async () => {
    const env = envOf(`rediss://:${password}@${redis.place}`);
    const untrusted = 'its certificate is signed by an authority that is not trusted here';
    expect(await consult(env, 'Redis')).toBe(
      `warning Redis rediss://${redis.place}: ${untrusted} (SELF_SIGNED_CERT_IN_CHAIN); ${slower} → export NODE_EXTRA_CA_CERTS=/path/to/the/authority.crt`,
    );
    await runWith(env, { usable: false, code: 'SELF_SIGNED_CERT_IN_CHAIN' });
  });

  test('a wrong password', async () => {
    const env = envOf(`rediss://:mistaken@${redis.place}`, { NODE_EXTRA_CA_CERTS: authority });
    const remedy = `export REDIS_URL=rediss://default:PASSWORD@${redis.place}`;
    expect(await consult(env, 'Redis')).toBe(
      `warning Redis rediss://${redis.place}: the password is wrong; ${slower} → ${remedy}`,
    );
    await runWith(env, { usable: false, code: 'WRONGPASS' });
  });

  test('a certificate for another name', async () => {
    const elsewhere = await startWithTls('DNS:localhost,DNS:redis.example.com');
    const { port, place } = elsewhere.redis;
    const env = envOf(`rediss://:${password}@${place}`, { NODE_EXTRA_CA_CERTS: elsewhere.authority });
    const remedy = `export REDIS_URL=rediss://default:PASSWORD@localhost:${port}`;
    expect(await consult(env, 'Redis')).toBe(
      `warning Redis rediss://${place}: its certificate is not for 127.0.0.1, but for localhost, redis.example.com; ${slower} → ${remedy}`,
    );
    const { REDIS_URL } = { REDIS_URL: remedy.replace('export REDIS_URL=', '').replace('PASSWORD', password) };
    expect(await consult({ ...env, REDIS_URL }, 'Redis')).toMatch(/^ok/);
    await runWith(env, { usable: false, code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  });

  test('on one side only', async () => {
    const plain = await startRedisServer([`requirepass ${password}`]);
    expect(await consult(envOf(`redis://:${password}@${redis.place}`), 'Redis')).toBe(
      `warning Redis redis://${redis.place}: it speaks TLS, and redis: does not; ${slower} → export REDIS_URL=rediss://default:PASSWORD@${redis.place}`,
    );
    expect(await consult(envOf(`rediss://:${password}@${plain.place}`), 'Redis')).toBe(
      `warning Redis rediss://${plain.place}: it does not speak TLS, and rediss: does; ${slower} → export REDIS_URL=redis://default:PASSWORD@${plain.place}`,
    );
    await runWith(envOf(`redis://:${password}@${redis.place}`), {
      usable: false,
      code: '(ECONNRESET|Connection is closed)',
    });
    await runWith(envOf(`rediss://:${password}@${plain.place}`), { usable: false, code: 'ETIMEDOUT' });
  });
});
