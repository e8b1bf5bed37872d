import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../support/process.ts';
import { makeFolder, type Program, startProgram } from './program.ts';

export interface RedisServer {
  readonly port: number;
  readonly folder: string;
  /** `host:port`. */
  readonly place: string;
  readonly program: Program;
}

/**
 * Starts a Redis, or a Sentinel, that keeps nothing.
 * @param lines of its configuration
 */
export async function startRedisServer(
  lines: readonly string[] = [],
  { sentinel = false }: { sentinel?: boolean } = {},
): Promise<RedisServer> {
  const folder = makeFolder('redis');
  const port = await freePort();
  const tls = lines.some((line) => line.startsWith('tls-cert-file '));
  const configurationPath = join(folder, 'redis.conf');
  const own = [
    'bind 127.0.0.1',
    `dir ${folder}`,
    ...(tls ? ['port 0', `tls-port ${port}`] : [`port ${port}`]),
    ...(sentinel ? [] : ['save ""']),
  ];
  // A Sentinel, and a replica that is made the primary, write into it.
  writeFileSync(configurationPath, [...own, ...lines, ''].join('\n'));
  const command = sentinel ? '/usr/bin/redis-sentinel' : '/usr/bin/redis-server';
  const program = await startProgram({ command, args: [configurationPath], port });
  return { port, folder, place: `127.0.0.1:${port}`, program };
}
