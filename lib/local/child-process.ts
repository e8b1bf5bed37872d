import { type ChildProcess as NodeChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ownProgram } from '../package.ts';

const readyWithinMs = 30_000;

/** One of our own processes, run the way this one is, its output in a log file. It ends when this process does. */
export class ChildProcess {
  /** Resolves, with a line that says so, when the process has ended. */
  readonly ended: Promise<string>;
  readonly #name: string;
  readonly #log: string;
  readonly #child: NodeChildProcess;
  #exited = false;

  /** @param program its path in the sources, without its ending */
  constructor(name: string, program: string, environment: NodeJS.ProcessEnv, logFolder: string) {
    this.#name = name;
    this.#log = join(logFolder, `${name}.log`);
    const output = openSync(this.#log, 'w', 0o600);
    this.#child = spawn(process.execPath, [...process.execArgv, ownProgram(program)], {
      env: environment,
      stdio: ['ignore', output, output, 'ipc'],
    });
    closeSync(output);
    this.ended = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => {
        this.#exited = true;
        resolve(`${name} ended (${signal ?? `exit ${code}`}): ${this.#lastLine()} See ${this.#log}`);
      });
    });
  }

  /** Resolves when the log holds a line with this message. @throws where the process ends before that */
  async logged(message: string): Promise<void> {
    const began = performance.now();
    while (!readFileSync(this.#log, 'utf8').includes(`"msg":"${message}"`)) {
      if (this.#exited) throw new Error(await this.ended);
      if (performance.now() - began > readyWithinMs) {
        throw new Error(`${this.#name} was not ready within 30 s: ${this.#lastLine()} See ${this.#log}`);
      }
      await sleep(20);
    }
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.ended;
  }

  #lastLine(): string {
    return readFileSync(this.#log, 'utf8').trim().split('\n').at(-1) ?? '';
  }
}
