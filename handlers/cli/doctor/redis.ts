import type { Redis } from 'ioredis';
import { connectProducer } from '../../../lib/redis.ts';
import { type Checked, type Finding, ok, warning } from './finding.ts';
import { encryptionProblem } from './redis-encryption.ts';
import type { Remedies } from './remedies.ts';

const check = 'Redis';
const readyWithinMs = 4000;
const silence = 'no answer';
const slower = 'commands run all the same, each up to 2 s later';

/**
 * Looks whether Redis is reached, lets us in, and takes what dokku-api writes. All of it is a warning: Redis is
 * expendable.
 */
export async function checkRedis(url: string, remedies: Remedies): Promise<Checked<Redis>> {
  let lastError: Error | undefined;
  const redis = connectProducer(url, (error) => {
    lastError = error;
  });
  try {
    await ready(redis);
    await redis.xadd('{dokku-api}:doctor', 'MAXLEN', '1', '*', 'probe', '1');
    await redis.del('{dokku-api}:doctor');
    await redis.publish('{dokku-api}:doctor', 'probe');
    return { findings: [ok(check, `takes writes at ${shownUrl(url)}`)], value: redis };
  } catch (error) {
    const problem = await problemOf(lastError ?? (error as Error), redis, url, remedies);
    redis.disconnect();
    return { findings: [problem], value: null };
  }
}

/** @throws the first error that connecting brings, or one that says that nothing came */
function ready(redis: Redis): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(silence)), readyWithinMs);
    redis.once('ready', resolve);
    redis.once('error', reject);
    redis.once('close', () => reject(new Error('it closed the connection')));
    redis.once('ready', () => clearTimeout(timer));
    redis.once('error', () => clearTimeout(timer));
  });
}

async function problemOf(error: Error, redis: Redis, url: string, remedies: Remedies): Promise<Finding> {
  const { protocol, hostname, port, username } = new URL(url);
  const at = shownUrl(url);
  const say = (says: string, remedy: string) => warning(check, `${at}: ${says}; ${slower}`, remedy);
  const command = (text: string) => remedies.redisCommand(hostname, port || '6379', text);
  const place = `${hostname}:${port || '6379'}`;
  const user = username || 'default';
  const urlOf = (scheme: string, of: string) => `${scheme}//${user}:PASSWORD@${of}`;
  const correct = (of: string) => remedies.correctRedisUrl(urlOf(protocol, of));
  switch (/^[A-Z]+\b/.exec(error.message)?.[0]) {
    case 'WRONGPASS':
    case 'NOAUTH':
      return say('the password is wrong', correct(place));
    case 'NOPERM':
      return say(
        `the user ${user} may not do what is needed`,
        command(`ACL SETUSER ${user} "~{dokku-api}:*" "&{dokku-api}:*" +@all`),
      );
    case 'OOM':
      return say('its memory is full, and it takes no writes', command('CONFIG SET maxmemory 0'));
    case 'MISCONF':
      return say(
        'it cannot save to its disk, and takes no writes',
        command('CONFIG SET stop-writes-on-bgsave-error no'),
      );
    case 'READONLY':
      return say('it is a replica, which takes no writes', correct(await primaryOf(redis)));
    case 'MOVED': {
      const holder = error.message.split(' ')[2]?.replace(/^:/, `${hostname}:`) ?? place;
      return say(`it is a node of a Redis Cluster, and the one that has our keys is ${holder}`, correct(holder));
    }
    case 'CLUSTERDOWN':
      return say('it is a node of a Redis Cluster in which no node has our keys', correct('HOST:6379'));
    default: {
      if (await isSentinel(redis, error)) {
        const says = 'it is a Sentinel: REDIS_URL names the primary, or a proxy that follows it';
        return say(says, correct(await primaryKnownTo(redis)));
      }
      const encryption = await encryptionProblem(error, new URL(url), {
        set: remedies.set,
        correct: (scheme, of) => remedies.correctRedisUrl(urlOf(scheme, of)),
      });
      if (encryption !== null) return say(...encryption);
      return isSilence(error)
        ? say('it does not answer', remedies.restartRedis(hostname))
        : say(reasonOf(error), remedies.startRedis(hostname));
    }
  }
}

/** A Sentinel knows few commands, but says what it is. */
async function isSentinel(redis: Redis, { message }: Error): Promise<boolean> {
  return message.startsWith('ERR unknown command') && (await redis.info('server')).includes('redis_mode:sentinel');
}

/** Where a Sentinel says that the primary is, of the first set that it watches. */
async function primaryKnownTo(sentinel: Redis): Promise<string> {
  const [first = []] = (await sentinel.call('SENTINEL', 'MASTERS')) as string[][];
  const fieldOf = (name: string) => first[first.indexOf(name) + 1];
  return first.length === 0 ? 'PRIMARY:6379' : `${fieldOf('ip')}:${fieldOf('port')}`;
}

/** Where a replica says that its primary is. */
async function primaryOf(redis: Redis): Promise<string> {
  const text = await redis.info('replication');
  const [, host = 'PRIMARY'] = /^master_host:(\S+)/m.exec(text) ?? [];
  const [, port = '6379'] = /^master_port:(\d+)/m.exec(text) ?? [];
  return `${host}:${port}`;
}

/** Ours, or what ioredis says when a command has no answer in time. */
function isSilence({ message }: Error): boolean {
  return message === silence || message === 'Command timed out';
}

function reasonOf(error: Error): string {
  const code = Reflect.get(error, 'code');
  return typeof code === 'string' ? `not reached (${code})` : error.message;
}

/** The URL without what may be secret in it. */
function shownUrl(url: string): string {
  const { protocol, host } = new URL(url);
  return `${protocol}//${host}`;
}
