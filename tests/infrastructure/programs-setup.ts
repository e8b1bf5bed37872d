import { accessSync, constants } from 'node:fs';

/** What is run, and the Debian package that brings it. */
const packages: Record<string, string> = {
  '/usr/sbin/pgbouncer': 'pgbouncer',
  '/usr/sbin/haproxy': 'haproxy',
  '/usr/bin/redis-server': 'redis-server',
  '/usr/bin/redis-cli': 'redis-tools',
  '/usr/bin/redis-sentinel': 'redis-sentinel',
  '/usr/bin/ssh': 'openssh-client',
  '/usr/sbin/sshd': 'openssh-server',
  '/usr/bin/openssl': 'openssl',
  '/usr/bin/systemd-analyze': 'systemd',
};

function isThere(program: string): boolean {
  try {
    accessSync(program, constants.X_OK);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** Ends the run with one line, before anything is started, where something is missing. */
export default function setup(): void {
  const missing = Object.keys(packages).filter((program) => !isThere(program));
  const says = [
    ...(missing.length === 0
      ? []
      : [`apt-get install --no-install-recommends ${missing.map((program) => packages[program]).join(' ')}`]),
    // Another host is a mount namespace here.
    ...(process.getuid?.() === 0 ? [] : ['become root']),
  ];
  if (says.length === 0) return;
  process.stderr.write(`Something is missing: ${says.join(', then ')}, and run npm run test:infrastructure again\n`);
  process.exit(1);
}
