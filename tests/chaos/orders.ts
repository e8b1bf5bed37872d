/**
 * Orders to a worker to strike itself down at a step of a run: a file each, which the first worker to pass there takes
 * away. Looked for in the same call that tells of the step, so that nothing happens in between.
 */
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunPhase } from '../../worker/context.ts';

const selfSignals = ['SIGKILL', 'SIGSTOP'] as const;
export type SelfSignal = (typeof selfSignals)[number];

const folderOf = (folder: string) => join(folder, 'orders');

/** For the worker: the signal to send itself, where there is an order for this step and no other worker has it. */
export function takeOrder(folder: string, phase: RunPhase, process: string): SelfSignal | null {
  const orders = readdirSync(folderOf(folder));
  return (
    selfSignals.find((signal) => {
      const order = `${phase}-${signal}`;
      if (!orders.includes(order)) return false;
      try {
        renameSync(join(folderOf(folder), order), join(folderOf(folder), `taken-${order}-${process}`));
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
        throw error;
      }
    }) ?? null
  );
}

/** For the run: gives orders, and sees who took them. */
export class Orders {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folderOf(folder);
    mkdirSync(this.#folder);
  }

  give(phase: RunPhase, signal: SelfSignal): void {
    writeFileSync(join(this.#folder, `${phase}-${signal}`), '');
  }

  /** The number of the process that took an order, which is forgotten with that; null: nobody yet. */
  takenBy(phase: RunPhase, signal: SelfSignal): number | null {
    const prefix = `taken-${phase}-${signal}-`;
    const name = readdirSync(this.#folder).find((entry) => entry.startsWith(prefix));
    if (name === undefined) return null;
    rmSync(join(this.#folder, name));
    return Number(name.slice(prefix.length));
  }

  /** Takes an order back, where nobody has taken it. */
  withdraw(phase: RunPhase, signal: SelfSignal): void {
    rmSync(join(this.#folder, `${phase}-${signal}`), { force: true });
  }
}
