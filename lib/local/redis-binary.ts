import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { failureReason, unpackRedis } from './redis-packages.ts';
import type { OnProgress } from './server-process.ts';

/** A program that serves Redis' protocol. */
export interface RedisBinary {
  command: string;
  /** What it needs in its environment. */
  environment: Record<string, string>;
}

export interface RedisBinaryOptions {
  /** Keeps what had to be downloaded; made where it is absent. */
  cache: string;
  /** Where programs are looked for, in the form of PATH. */
  path?: string;
  onProgress?: OnProgress;
}

function findProgram(names: readonly string[], path: string): string | null {
  for (const name of names) {
    for (const folder of path.split(delimiter)) {
      if (folder === '') continue;
      try {
        accessSync(join(folder, name), constants.X_OK);
        return join(folder, name);
      } catch (error) {
        if (!['ENOENT', 'EACCES', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      }
    }
  }
  return null;
}

/** The unpacked packages as a binary: their libraries lie in folders named after the machine's architecture. */
function unpackedBinary(root: string, path: string): RedisBinary {
  const libraries = ['lib', 'usr/lib']
    .map((folder) => join(root, folder))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .filter((folder) => folder.includes('-linux-'));
  return {
    command: join(root, 'usr/bin/redis-server'),
    environment: { PATH: path, LC_ALL: 'C', LD_LIBRARY_PATH: libraries.join(':') },
  };
}

/** How Redis is installed on this system, as a person would type it. */
function installCommand(): string {
  if (process.platform === 'darwin') return 'brew install redis';
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  const systems = [...release.matchAll(/^ID(?:_LIKE)?="?([^"\n]*)"?$/gm)].flatMap((match) =>
    (match[1] ?? '').split(' '),
  );
  if (systems.includes('debian') || systems.includes('ubuntu')) return 'apt-get install redis-server';
  if (systems.includes('fedora') || systems.includes('rhel')) return 'dnf install valkey';
  if (systems.includes('alpine')) return 'apk add redis';
  return 'the package manager of this system (the package is redis or valkey)';
}

/**
 * Finds a `redis-server` or `valkey-server` in PATH or in the cache; on Debian and Ubuntu one is downloaded into the
 * cache where there is none. No npm package carries one.
 *
 * @throws Error in one line that says how to install it
 */
export async function findRedis(options: RedisBinaryOptions): Promise<RedisBinary> {
  const path = options.path ?? process.env.PATH ?? '';
  const installed = findProgram(['redis-server', 'valkey-server'], path);
  if (installed !== null) return { command: installed, environment: { PATH: path, LC_ALL: 'C' } };

  const advice = `install it with "${installCommand()}", or set REDIS_URL to a Redis of your own`;
  const aptGet = findProgram(['apt-get'], path);
  const dpkgDeb = findProgram(['dpkg-deb'], path);
  mkdirSync(options.cache, { recursive: true });
  const root = join(realpathSync(options.cache), 'redis');
  if (!existsSync(root)) {
    if (aptGet === null || dpkgDeb === null) throw new Error(`Redis is not installed: ${advice}`);
    // The whole environment, as it may name the proxy.
    const tools = { aptGet, dpkgDeb, environment: { ...process.env, PATH: path, LC_ALL: 'C' } };
    try {
      await unpackRedis(tools, root, options.onProgress ?? (() => undefined));
    } catch (error) {
      throw new Error(`Redis is not installed and could not be downloaded (${failureReason(error)}): ${advice}`, {
        cause: error,
      });
    }
  }
  const binary = unpackedBinary(root, path);
  try {
    await promisify(execFile)(binary.command, ['--version'], { env: binary.environment });
  } catch (error) {
    rmSync(root, { recursive: true, force: true });
    throw new Error(`The downloaded Redis does not run (${failureReason(error)}): ${advice}`, { cause: error });
  }
  return binary;
}
