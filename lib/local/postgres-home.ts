import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Account } from './server-process.ts';

/** Where a Postgres lives, and as whom it runs. */
export interface PostgresHome {
  /** Holds the programs' libraries and `data`; the account can reach it. */
  home: string;
  /** The data folder, by its real path; it need not exist yet. */
  data: string;
  /** Absent where Postgres runs as the present user. */
  account: Account | undefined;
}

/** Postgres refuses to run as root; this is "nobody", which every system has. */
const NOBODY: Account = { uid: 65534, gid: 65534 };

const isRoot = (): boolean => process.getuid?.() === 0;

/** Whether an account can enter a folder; the system is asked, as modes alone do not tell. */
function canEnter(folder: string, account: Account): boolean {
  const result = spawnSync('/bin/sh', ['-c', 'cd "$0"', folder], { cwd: '/', stdio: 'ignore', ...account });
  if (result.error) {
    throw new Error(
      `Embedded Postgres cannot run as root, and root may not start it as user ${account.uid} here: start as an ordinary user, or set DATABASE_URL`,
      { cause: result.error },
    );
  }
  return result.status === 0;
}

/** Makes a folder that everybody may enter, whatever the umask is. */
function makeEnterable(folder: string): void {
  if (existsSync(folder)) return;
  makeEnterable(dirname(folder));
  mkdirSync(folder);
  chmodSync(folder, 0o711);
}

/** What lies at `data`: the folder itself, a link to where it is, or nothing. */
function kindOf(data: string): 'folder' | 'link' | 'nothing' {
  const found = lstatSync(data, { throwIfNoEntry: false });
  if (found === undefined) return 'nothing';
  return found.isSymbolicLink() ? 'link' : 'folder';
}

/**
 * Decides where the Postgres of `folder` lives. Mostly that is `folder` itself; but root has to run it as another
 * user, who often cannot reach a folder of root's. Then it is a folder below `outside` that is named after `folder`,
 * and `folder/data` is a link into it.
 *
 * @param folder exists, by its real path
 * @param outside a folder that only root may write and everybody may enter
 * @throws Error in one line when the data belong to another user
 */
export function postgresHome(folder: string, outside: string): PostgresHome {
  const data = join(folder, 'data');
  const kind = kindOf(data);
  // A link that leads nowhere is where a first start was interrupted, or where somebody cleaned up.
  const existing = statSync(data, { throwIfNoEntry: false });

  if (!isRoot()) {
    if (existing && existing.uid !== process.getuid?.()) {
      throw new Error(`${data} belongs to user ${existing.uid}: start as that user, or remove ${folder} to start anew`);
    }
    return { home: folder, data: existing ? realpathSync(data) : data, account: undefined };
  }

  const account = existing && existing.uid !== 0 ? { uid: existing.uid, gid: existing.gid } : NOBODY;
  if (kind === 'link') {
    const target = existing ? realpathSync(data) : resolve(folder, readlinkSync(data));
    makeEnterable(dirname(target));
    return { home: dirname(target), data: target, account };
  }
  chmodSync(folder, 0o711);
  if (canEnter(folder, account)) return { home: folder, data, account };
  if (kind === 'folder') {
    throw new Error(
      `${data} cannot be reached by its user ${account.uid}: let others enter the folders above it (chmod o+x), or remove ${folder} to start anew`,
    );
  }

  const home = join(outside, createHash('sha256').update(folder).digest('hex').slice(0, 16));
  // Without a link to it, what lies there is of a folder of this name that was removed since.
  rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  makeEnterable(home);
  if (!canEnter(home, account))
    throw new Error(`${home} cannot be reached by user ${account.uid}: chmod o+x the folders above it`);
  const real = join(realpathSync(home), 'data');
  symlinkSync(real, data);
  return { home: dirname(real), data: real, account };
}
