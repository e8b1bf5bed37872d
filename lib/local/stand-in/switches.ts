import type { CommandSwitch } from './control-protocol.ts';

/** A switch as it stands for one line. */
export interface AppliedSwitch extends CommandSwitch {
  id: number;
}

interface AddedSwitch {
  id: number;
  left: number;
  matches: (line: string) => boolean;
  given: CommandSwitch;
}

interface HeldCommand {
  switchId: number | null;
  letGo: () => void;
}

/** The switches that the control channel has set, and the commands that they hold. */
export class Switches {
  #lastId = 0;
  #added: AddedSwitch[] = [];
  #held: HeldCommand[] = [];

  /** Throws where the pattern is no regular expression, or `times` no count. */
  add(given: CommandSwitch): number {
    const times = given.times ?? 1;
    if (times !== 'always' && !(Number.isInteger(times) && times >= 1)) {
      throw new Error(`times is a whole number from 1 on, or "always"; it was ${JSON.stringify(times)}`);
    }
    const { line, pattern } = given.match ?? {};
    const expression = pattern === undefined ? null : new RegExp(pattern);
    this.#lastId += 1;
    this.#added.push({
      id: this.#lastId,
      left: times === 'always' ? Number.POSITIVE_INFINITY : times,
      matches: (text) => (line === undefined || text === line) && (expression === null || expression.test(text)),
      given,
    });
    return this.#lastId;
  }

  remove(id: number): boolean {
    const before = this.#added.length;
    this.#added = this.#added.filter((candidate) => candidate.id !== id);
    return this.#added.length < before;
  }

  /** The switch that a line is given to, counted as used once more; null where none is for it. */
  take(line: string): AppliedSwitch | null {
    const taken = this.#added.find((candidate) => candidate.left > 0 && candidate.matches(line));
    if (taken === undefined) return null;
    taken.left -= 1;
    if (taken.left === 0) this.remove(taken.id);
    return { ...taken.given, id: taken.id };
  }

  /** Resolves when the command is released. `switchId` is null for a command that never ends by itself. */
  hold(switchId: number | null): Promise<void> {
    return new Promise((resolve) => {
      this.#held.push({ switchId, letGo: resolve });
    });
  }

  /** Lets the commands of one switch, or all, go on. Returns how many. */
  release(switchId?: number): number {
    const released = this.#held.filter((held) => switchId === undefined || held.switchId === switchId);
    this.#held = this.#held.filter((held) => !released.includes(held));
    if (switchId === undefined) this.#added = this.#added.filter((candidate) => candidate.given.hold !== true);
    else this.remove(switchId);
    for (const held of released) held.letGo();
    return released.length;
  }

  /** No switches, nothing held. */
  reset(): void {
    this.#added = [];
    this.release();
  }
}
