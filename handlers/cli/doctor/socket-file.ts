import { accessSync, constants, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** What lies at a socket's path, as far as this user can see. */
export type SocketFile = {
  kind: 'socket' | 'folder' | 'file' | 'absent' | 'out of sight';
  /** Mounted by itself, so that it does not follow a daemon that makes its socket anew. */
  isMounted: boolean;
  /** Removed where it comes from, and only held here by the mount. */
  isOrphaned: boolean;
  /** The first folder on the way that is not there; null where all are. */
  missingFolder: string | null;
  /** The first folder on the way that this user may not search; null where there is none. */
  closedFolder: string | null;
};

export function inspectSocketFile(path: string): SocketFile {
  const folders = foldersAbove(path);
  const closedFolder = folders.find((folder) => lookAt(folder) !== null && !isAllowed(folder, constants.X_OK)) ?? null;
  const missingFolder = closedFolder === null ? (folders.find((folder) => lookAt(folder) === null) ?? null) : null;
  const file = closedFolder === null ? lookAt(path) : null;
  const at = { missingFolder, closedFolder, isMounted: false, isOrphaned: false };
  if (closedFolder !== null) return { ...at, kind: 'out of sight' };
  if (file === null) return { ...at, kind: 'absent' };
  const isMounted = mountPoints().includes(join(realpathSync(dirname(path)), basename(path)));
  if (file.isSocket()) return { ...at, kind: 'socket', isMounted, isOrphaned: file.nlink === 0 };
  return { ...at, kind: file.isDirectory() ? 'folder' : 'file', isMounted };
}

export function isWritable(path: string): boolean {
  return isAllowed(path, constants.W_OK);
}

/** `/a`, `/a/b` for `/a/b/c`. */
function foldersAbove(path: string): string[] {
  const folder = dirname(path);
  return folder === '/' ? [] : [...foldersAbove(folder), folder];
}

function isAllowed(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch (error) {
    if (['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

function lookAt(path: string) {
  try {
    return statSync(path, { throwIfNoEntry: false }) ?? null;
  } catch (error) {
    if (['EACCES', 'ENOTDIR', 'ELOOP'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}

/** proc_pid_mountinfo(5): the fifth field, with blanks and backslashes written in octal. None where the system has no such list. */
function mountPoints(): string[] {
  try {
    return readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .map((line) =>
        (line.split(' ')[4] ?? '').replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8))),
      );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
