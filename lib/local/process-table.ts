import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A signal, and how many milliseconds a process has to end by it before the next one is sent. */
export type SignalStep = readonly [signal: NodeJS.Signals, milliseconds: number];

const GONE = new Set(['ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'ENOTDIR']);

/** The answer of one look at a process; null where it has ended meanwhile or belongs to somebody else. */
function look<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (GONE.has((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw new Error('The process table could not be read', { cause: error });
  }
}

/** Runs a tool that answers by exit code 1 where it found nothing. */
function ask(tool: string, args: string[]): string {
  try {
    return execFileSync(tool, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch (error) {
    if ((error as { status?: number | null }).status === 1) return '';
    throw new Error(`${tool} could not be asked about running processes`, { cause: error });
  }
}

interface ProcessStatus {
  parent: number;
  startedAt: string;
}

/** Null where the process has ended; one that nobody has reaped yet has ended too. */
function processStatus(pid: number): ProcessStatus | null {
  if (process.platform !== 'linux') {
    const match = /^\s*(\d+)\s+(\S+)\s+(.*\S)/.exec(ask('ps', ['-o', 'ppid=,stat=,lstart=', '-p', String(pid)]));
    const [, parent, state, startedAt] = match ?? [];
    if (state === undefined || state.startsWith('Z') || startedAt === undefined) return null;
    return { parent: Number(parent), startedAt };
  }
  const stat = look(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  if (stat === null) return null;
  // proc_pid_stat(5): behind the name, which may hold blanks and parentheses, come state, ppid, and starttime as 20th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const startedAt = fields[19];
  if (fields[0] === 'Z' || fields[0] === 'X' || startedAt === undefined) return null;
  return { parent: Number(fields[1]), startedAt };
}

/**
 * When a process was started, in a form that is only good for comparing: a process id alone may long belong to
 * another process. Null where it has ended.
 */
export function processStart(pid: number): string | null {
  return processStatus(pid)?.startedAt ?? null;
}

/** Ids of the running processes of one of these names, with their working folders. */
function workingFolders(names: readonly string[]): { pid: number; folder: string }[] {
  if (process.platform !== 'linux') {
    const selection = names.flatMap((name) => ['-c', name]);
    const found: { pid: number; folder: string }[] = [];
    let pid = 0;
    for (const line of ask('lsof', ['-w', '-a', '-d', 'cwd', ...selection, '-Fpn']).split('\n')) {
      if (line.startsWith('p')) pid = Number(line.slice(1));
      if (line.startsWith('n')) found.push({ pid, folder: line.slice(1) });
    }
    return found;
  }
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => {
      const folder = look(() => readlinkSync(`/proc/${entry}/cwd`));
      const name = folder === null ? null : look(() => readFileSync(`/proc/${entry}/comm`, 'utf8').trim());
      return folder !== null && name !== null && names.includes(name) ? [{ pid: Number(entry), folder }] : [];
    });
}

/** Those first that no other of them started. */
function parentsFirst(pids: number[]): number[] {
  const isChild = (pid: number) => pids.includes(processStatus(pid)?.parent ?? 0);
  return [...pids.filter((pid) => !isChild(pid)), ...pids.filter(isChild)];
}

/**
 * Ids of the running processes of one of these names that work in `folder` (a real path), parents first. A server
 * lives in its data folder, so this is the proof that a process is that folder's, which a process id read from a file
 * never is.
 */
export function processesIn(folder: string, names: readonly string[]): number[] {
  const found = workingFolders(names).filter((entry) => [folder, `${folder} (deleted)`].includes(entry.folder));
  return parentsFirst(found.map((entry) => entry.pid));
}

/** The same for all folders below `folder`. */
export function processesBelow(folder: string, names: readonly string[]): number[] {
  const found = workingFolders(names).filter((entry) => entry.folder.startsWith(`${folder}/`));
  return parentsFirst(found.map((entry) => entry.pid));
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return;
    throw new Error(`Process ${pid} could not be sent ${signal}`, { cause: error });
  }
}

/**
 * Ends a process by these signals, one after the other, and returns when it has ended.
 *
 * @throws Error when it outlives the last one
 */
export async function endProcess(pid: number, steps: readonly SignalStep[]): Promise<void> {
  const start = processStart(pid);
  const running = () => start !== null && processStart(pid) === start;
  for (const [signal, milliseconds] of steps) {
    if (!running()) return;
    send(pid, signal);
    // A stopped process takes its signals only once it goes on.
    send(pid, 'SIGCONT');
    const deadline = performance.now() + milliseconds;
    while (running() && performance.now() < deadline) await sleep(5);
  }
  if (running()) {
    throw new Error(`Process ${pid} does not end by ${steps.map(([signal]) => signal).join(', ')}: end it by hand`);
  }
}
