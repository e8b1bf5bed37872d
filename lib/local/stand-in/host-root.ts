import type { Stats } from 'node:fs';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join, posix, resolve } from 'node:path';

/** What the host's own folders hold at first: enough for globs and redirects to find something. */
const SEED_FILES: [path: string, content: string][] = [
  ['/etc/hostname', 'dokku\n'],
  ['/etc/hosts', '127.0.0.1 localhost\n127.0.1.1 dokku\n'],
  ['/etc/os-release', 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n'],
  ['/home/dokku/VHOST', 'dokku.me\n'],
];
const SEED_FOLDERS = ['/etc', '/home/dokku', '/root', '/srv', '/tmp', '/var/log/dokku'];

/** Reasons for which a path of a request leads nowhere: no fault of ours. */
const CANNOT_OPEN = new Set(['ENOENT', 'EISDIR', 'ENOTDIR', 'ENAMETOOLONG', 'EACCES']);

function hasCode(error: unknown): error is Error & { code: string } {
  return error instanceof Error && 'code' in error && typeof error.code === 'string';
}

/**
 * The host as requests see it: a sandbox folder in place of `/`, so that a redirect never reaches the real disk.
 * The socket's folder is where relative paths begin; the names of what it really holds are seen, nothing more.
 * Paths are latin1 text, one character a byte, because a request may hold any bytes.
 */
export class HostRoot {
  readonly #sandbox: string;
  readonly #socketFolder: string;
  readonly #realSocketFolder: string;

  /** `sandbox` is made where it is missing. */
  constructor(sandbox: string, socketFolder: string) {
    this.#sandbox = Buffer.from(resolve(sandbox)).toString('latin1');
    this.#realSocketFolder = resolve(socketFolder);
    this.#socketFolder = Buffer.from(this.#realSocketFolder).toString('latin1');
    for (const folder of [...SEED_FOLDERS, this.#realSocketFolder]) {
      mkdirSync(join(sandbox, folder), { recursive: true });
    }
    for (const [path, content] of SEED_FILES) {
      if (!this.exists(path)) writeFileSync(join(sandbox, path), content);
    }
  }

  /** Names in a folder, hidden ones too, in no particular order; none where it is not a folder. */
  names(path: string): string[] {
    const inside = this.#inside(path);
    const names = this.isFolder(path) ? readdirSync(inside, { encoding: 'latin1' }) : [];
    const real = this.#isSocketFolder(path) ? readdirSync(this.#realSocketFolder, { encoding: 'latin1' }) : [];
    return [...new Set([...names, ...real])];
  }

  exists(path: string): boolean {
    if (this.#stat(path) !== null) return true;
    const absolute = this.#absolute(path);
    return (
      posix.dirname(absolute) === this.#socketFolder &&
      this.names(this.#socketFolder).includes(posix.basename(absolute))
    );
  }

  isFolder(path: string): boolean {
    return this.#stat(path)?.isDirectory() ?? false;
  }

  /** Whether a redirect could read from the path; what dokku would read is of no matter here. */
  canRead(path: string): boolean {
    return this.#stat(path)?.isFile() ?? false;
  }

  /** Returns whether the file could be opened; it holds exactly `content` then. */
  write(path: string, content: Buffer): boolean {
    return this.#open(() => writeFileSync(this.#inside(path), content)) !== null;
  }

  #stat(path: string): Stats | null {
    return this.#open(() => statSync(this.#inside(path)));
  }

  #open<T>(action: () => T): T | null {
    try {
      return action();
    } catch (error) {
      if (hasCode(error) && CANNOT_OPEN.has(error.code)) return null;
      throw error;
    }
  }

  #absolute(path: string): string {
    return posix.resolve(this.#socketFolder, path);
  }

  #isSocketFolder(path: string): boolean {
    return this.#absolute(path) === this.#socketFolder;
  }

  /** `..` never leaves the sandbox: the path is made absolute before it is put below it. */
  #inside(path: string): Buffer {
    return Buffer.from(this.#sandbox + this.#absolute(path), 'latin1');
  }
}
