import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll } from 'vitest';
import { waitFor } from './process.ts';

/** A command typed into a terminal: a process group of its own, as Ctrl-C reaches it. */
export type Typed = {
  output(): string;
  /** Waits for what matches to stand on the screen; fails at once when the command ends without it. */
  shows(pattern: RegExp, timeout?: number): Promise<RegExpExecArray>;
  /** Signals the whole group. */
  signal(name: NodeJS.Signals): void;
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
};

export type TypeOptions = { folder: string; env?: Record<string, string>; uid?: number };

const running = new Set<ChildProcess>();

afterAll(() => {
  for (const { pid } of running) if (pid !== undefined) process.kill(-pid, 'SIGKILL');
});

/** Types a line of a shell, with a clean environment. */
export function type(line: string, { folder, env = {}, uid }: TypeOptions): Typed {
  const child = spawn('/bin/sh', ['-c', line], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  running.add(child);
  let output = '';
  let over = false;
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, 'exit').then(([code, signal]) => {
    over = true;
    running.delete(child);
    return { code, signal };
  });
  return {
    output: () => output,
    ended,
    signal: (name) => {
      if (child.pid !== undefined) process.kill(-child.pid, name);
    },
    shows: async (pattern, timeout = 30_000) => {
      const found = await waitFor(() => pattern.exec(output) ?? (over ? 'ended' : null), {
        timeout,
        describe: () => `${pattern} on the screen, which shows:\n${output}`,
      });
      if (found === 'ended') throw new Error(`"${line}" ended without ${pattern}:\n${output}`);
      return found;
    },
  };
}
