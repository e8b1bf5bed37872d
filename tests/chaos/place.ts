import { waitFor } from '../support/process.ts';
import { RunningProcess } from './processes.ts';
import type { ProcessRecord } from './records.ts';

export type PlaceOptions = {
  name: string;
  role: ProcessRecord['role'];
  /** A built file. */
  script: string;
  /** The environment of the next process there, and the servers that it has configured. */
  configuration: () => Promise<{ env: Record<string, string>; servers: readonly string[] }>;
  folder: string;
  /** Takes every process that the place has had. */
  started: RunningProcess[];
};

/** What cannot run is not started over and over: each of its ends is found already. */
const endsByItselfAtMost = 5;

/** A place for one process, filled again whenever its process ends, as a process manager does. */
export class Place {
  readonly name: string;
  readonly #options: PlaceOptions;
  #current: RunningProcess | undefined;
  #closed = false;
  #endedByItself = 0;
  readonly #keepers = new Set<Promise<void>>();

  constructor(options: PlaceOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** The process that is there now; undefined for the moment between two. */
  get current(): RunningProcess | undefined {
    return this.#current?.alive ? this.#current : undefined;
  }

  /** Those of before that still run included. */
  get alive(): RunningProcess[] {
    return this.#options.started.filter(({ alive, record }) => alive && record.place === this.name);
  }

  /** Fills the place from now on; resolves when the first process is ready. */
  async fill(): Promise<void> {
    const first = await this.#start();
    await this.#untilReady(first);
    if (!first.alive) throw new Error(`${this.name} ended as it started; its log is ${first.log}`);
  }

  /** A deploy: a new process beside the old one, which is told to stop once the new one is ready. */
  async replace(): Promise<void> {
    const fresh = await this.#start();
    await Promise.race([this.#untilReady(fresh), fresh.ended]);
    // The newest stays, where two deploys overlap.
    const older = this.alive.filter((process) => process !== this.#current);
    await Promise.all(older.map((process) => this.#stop(process)));
  }

  /** Tells whatever runs there to stop, and leaves the place empty. Resolves when all that were ever there have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    // One may have been about to start.
    while (this.#keepers.size > 0) {
      await Promise.all(this.alive.map((process) => this.#stop(process)));
      await Promise.all(this.#keepers);
    }
  }

  /** One that has only begun does not know yet what SIGTERM asks of it. */
  async #stop(process: RunningProcess): Promise<void> {
    await this.#untilReady(process);
    if (process.alive) process.stop();
  }

  async #start(): Promise<RunningProcess> {
    const { name, role, script, folder, started, configuration } = this.#options;
    const { env, servers } = await configuration();
    const number = started.length + 1;
    const process = new RunningProcess({
      number,
      place: name,
      role,
      script,
      folder,
      servers,
      env: { ...env, CHAOS_FOLDER: folder, CHAOS_PROCESS: String(number) },
    });
    started.push(process);
    this.#current = process;
    const keeper = this.#refill(process).finally(() => this.#keepers.delete(keeper));
    this.#keepers.add(keeper);
    return process;
  }

  async #refill(process: RunningProcess): Promise<void> {
    await process.ended;
    if (process.endedByItself) this.#endedByItself += 1;
    if (this.#closed || this.#current !== process || this.#endedByItself > endsByItselfAtMost) return;
    await this.#start();
  }

  async #untilReady(process: RunningProcess): Promise<void> {
    await waitFor(() => !process.alive || process.ready, {
      timeout: 60_000,
      describe: `${this.name} to be ready; its log is ${process.log}`,
    });
  }
}
