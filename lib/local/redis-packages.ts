import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { OnProgress } from './server-process.ts';

const run = promisify(execFile);
const TIME_LIMIT = 180_000;

/** The server and its command line; the program itself lies in the second one. */
const PACKAGES = ['redis-server', 'redis-tools'];

/** Root or not, nobody else is needed for a download; and no waiting for long where there is no network. */
const OPTIONS = ['-o', 'APT::Sandbox::User=root', '-o', 'Acquire::Retries=1', '-o', 'Acquire::http::Timeout=15'];

/** The programs that unpacking needs. */
export interface PackageTools {
  aptGet: string;
  dpkgDeb: string;
  environment: NodeJS.ProcessEnv;
}

/** Says in one line why a program failed. */
export function failureReason(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message: string };
  const lines = (stderr || message).split('\n').filter((line) => line.trim() !== '');
  return (lines.find((line) => line.startsWith('E: ')) ?? lines.at(-1) ?? message).trim();
}

/**
 * Downloads the packages and what they need that is not installed, as apt says, into `work/packages`. Apt checks what
 * it downloads by its signed lists.
 */
async function download(tools: PackageTools, work: string, options: readonly string[]): Promise<void> {
  const apt = async (args: readonly string[], cwd: string) =>
    (await run(tools.aptGet, [...OPTIONS, ...options, ...args], { cwd, env: tools.environment, timeout: TIME_LIMIT }))
      .stdout;
  const packages = join(work, 'packages');
  rmSync(packages, { recursive: true, force: true });
  mkdirSync(packages);
  const plan = await apt(['--simulate', '--no-install-recommends', 'install', ...PACKAGES], work);
  const missing = [...plan.matchAll(/^Inst (\S+)/gm)].map((match) => match[1] ?? '');
  await apt(['download', ...new Set([...PACKAGES, ...missing])], packages);
}

/**
 * Fetches apt's lists into `work`, for a system that has none or old ones; returns the options to use them by, and
 * what could not be fetched, which apt does not count as a failure.
 */
async function fetchLists(tools: PackageTools, work: string): Promise<{ options: string[]; warning: string | null }> {
  mkdirSync(join(work, 'lists', 'partial'), { recursive: true });
  mkdirSync(join(work, 'cache', 'archives', 'partial'), { recursive: true });
  const options = ['-o', `Dir::State::lists=${join(work, 'lists')}`, '-o', `Dir::Cache=${join(work, 'cache')}`];
  const update = await run(tools.aptGet, [...OPTIONS, ...options, 'update'], {
    env: tools.environment,
    timeout: TIME_LIMIT,
  });
  return { options, warning: /^W: (Failed to fetch .*)$/m.exec(update.stderr)?.[1] ?? null };
}

/**
 * Downloads Redis' Debian packages and unpacks them into `folder`, whole or not at all. Needs no root and installs
 * nothing.
 *
 * @throws Error of the program that failed
 */
export async function unpackRedis(tools: PackageTools, folder: string, onProgress: OnProgress): Promise<void> {
  const work = mkdtempSync(`${folder}-`);
  try {
    onProgress('Downloading Redis');
    try {
      await download(tools, work, []);
    } catch (error) {
      onProgress('Fetching the package lists');
      const { options, warning } = await fetchLists(tools, work);
      try {
        await download(tools, work, options);
      } catch (second) {
        throw new Error(warning ?? failureReason(second), { cause: error });
      }
    }
    const root = join(work, 'root');
    for (const name of readdirSync(join(work, 'packages'))) {
      await run(tools.dpkgDeb, ['-x', join(work, 'packages', name), root], { env: tools.environment });
    }
    // Where another process was faster, its copy is as good.
    if (!existsSync(folder)) renameSync(root, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
