import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../support/process.ts';
import { makeFolder, startProgram } from './program.ts';

/**
 * Starts an HAProxy that leads to whichever of these is the primary, as Redis itself says.
 * @returns where it listens, as `host:port`
 */
export async function startHaProxy(places: readonly string[], password: string): Promise<string> {
  const port = await freePort();
  const configurationPath = join(makeFolder('haproxy'), 'haproxy.cfg');
  writeFileSync(
    configurationPath,
    `defaults
  mode tcp
  timeout connect 1s
  timeout client 1h
  timeout server 1h
listen redis
  bind 127.0.0.1:${port}
  option tcp-check
  tcp-check send AUTH\\ ${password}\\r\\n
  tcp-check expect string +OK
  tcp-check send INFO\\ replication\\r\\n
  tcp-check expect string role:master
  tcp-check send QUIT\\r\\n
  default-server check inter 200ms fall 1 rise 1 on-marked-down shutdown-sessions
${places.map((place, index) => `  server redis-${index} ${place}\n`).join('')}`,
  );
  await startProgram({ command: '/usr/sbin/haproxy', args: ['-db', '-f', configurationPath], port });
  return `127.0.0.1:${port}`;
}
