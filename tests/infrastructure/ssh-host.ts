import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { freePort } from '../support/process.ts';
import { makeFolder, type Program, startProgram } from './program.ts';

/** Another host, as far as SSH can tell: an sshd that finds a daemon's socket where Dokku's daemon has it. */
export interface SshHost {
  readonly port: number;
  /** What the other side needs, beside a ssh_config: `key` and `known_hosts`. */
  writeClientFiles(folder: string): void;
  /** Ends sshd and every connection, as a reboot does; done after the file in any case. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

function generateKey(path: string): string {
  execFileSync('/usr/bin/ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path]);
  return readFileSync(`${path}.pub`, 'utf8').trim();
}

/** Runs sshd where /var/run is another one, and where no process outlives it. */
const elsewhere = [
  'mount -t tmpfs tmpfs "$(realpath /var/run)"',
  'mkdir -p /var/run/sshd /var/run/dokku-daemon',
  'mount --bind "$0" /var/run/dokku-daemon',
  'exec /usr/sbin/sshd -D -e -f "$1"',
].join(' && ');

/** @param user of that host, who may only forward */
export async function startSshHost({ socketPath, user }: { socketPath: string; user: string }): Promise<SshHost> {
  const folder = makeFolder('sshd');
  const port = await freePort();
  const path = (name: string) => join(folder, name);
  const hostKey = generateKey(path('host-key'));
  const clientKey = generateKey(path('client-key'));
  writeFileSync(path('authorized_keys'), `restrict,port-forwarding ${clientKey}\n`);
  chmodSync(path('authorized_keys'), 0o644);
  const configuration = [
    'ListenAddress 127.0.0.1',
    `Port ${port}`,
    `HostKey ${path('host-key')}`,
    `AuthorizedKeysFile ${path('authorized_keys')}`,
    `AllowUsers ${user}`,
    'PidFile none',
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
  ];
  writeFileSync(path('sshd_config'), `${configuration.join('\n')}\n`);
  const args = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const shell = ['/bin/sh', '-c', elsewhere, dirname(socketPath), path('sshd_config')];
  let program: Program;
  const start = async () => {
    program = await startProgram({ command: '/usr/bin/unshare', args: [...args, ...shell], port });
  };
  await start();
  return {
    port,
    writeClientFiles: (into) => {
      copyFileSync(path('client-key'), join(into, 'key'));
      chmodSync(join(into, 'key'), 0o600);
      writeFileSync(join(into, 'known_hosts'), `[127.0.0.1]:${port} ${hostKey.split(' ').slice(0, 2).join(' ')}\n`);
    },
    kill: () => program.stop('SIGKILL'),
    start,
  };
}
