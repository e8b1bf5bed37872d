import type { WireCommand } from '../../lib/command.ts';
import type { Observation } from './records.ts';

/** Keeps every form in which a command was seen, once for each channel. */
export class Observer {
  readonly #observations = new Map<string, Map<string, Observation>>();
  readonly #final = new Set<string>();

  /**
   * @param from when the question was asked that the commands answer
   * @param at when the answer had been had
   */
  see(channel: string, commands: readonly WireCommand[], from: number, at: number): void {
    for (const command of commands) {
      const key = `${channel} ${command.token}`;
      const forms = this.#observations.get(key) ?? new Map<string, Observation>();
      this.#observations.set(key, forms);
      const text = JSON.stringify(command);
      const seen = forms.get(text);
      if (seen === undefined) {
        forms.set(text, { channel, token: command.token, command, firstAt: at, lastFrom: from });
      } else {
        seen.firstAt = Math.min(seen.firstAt, at);
        seen.lastFrom = Math.max(seen.lastFrom, from);
      }
      if (command.ran_at !== null) this.#final.add(command.token);
    }
  }

  isFinal(token: string): boolean {
    return this.#final.has(token);
  }

  all(): Observation[] {
    return [...this.#observations.values()].flatMap((forms) => [...forms.values()]);
  }
}
