import type { GeneratedKey } from '../../db/keys.ts';
import type { WireCommand } from '../../lib/command.ts';
import { pause } from '../../worker/backoff.ts';
import { monotonicMs } from './clock.ts';
import type { Observer } from './observer.ts';
import type { Random } from './random.ts';
import type { DeliveryAnswer } from './records.ts';

/** An answer had in full; `error` where there was none. */
export type Answer =
  | { sentAt: number; answeredAt: number; status: number; body: string }
  | { sentAt: number; error: string };

export type Call = {
  method?: 'GET' | 'POST' | 'DELETE';
  path: string;
  fields?: Record<string, string>;
  headers?: Record<string, string>;
  timeoutMs?: number;
};

/** What a client of the API does: asks any of the web processes, and another one next time. */
export class Api {
  readonly #urls: () => readonly string[];
  readonly #credentials: Record<string, string>;
  readonly #observer: Observer;
  readonly #random: Random;

  constructor(urls: () => readonly string[], key: GeneratedKey, observer: Observer, random: Random) {
    this.#urls = urls;
    this.#credentials = { 'Api-Key': key.apiKey, 'Api-Secret': key.apiSecret };
    this.#observer = observer;
    this.#random = random;
  }

  /** Never throws for the sake of the other side. */
  async call({ method = 'GET', path, fields, headers = {}, timeoutMs = 5000 }: Call): Promise<Answer> {
    const sentAt = monotonicMs();
    try {
      const response = await fetch(this.#random.pick(this.#urls()) + path, {
        method,
        headers: { ...this.#credentials, ...headers },
        signal: AbortSignal.timeout(timeoutMs),
        ...(fields && { body: new URLSearchParams(fields) }),
      });
      const body = await response.text();
      return { sentAt, answeredAt: monotonicMs(), status: response.status, body };
    } catch (error) {
      const { message, cause } = error as Error;
      return { sentAt, error: cause instanceof Error ? `${message}: ${cause.message}` : message };
    }
  }

  /** Parses an answer that is a command, and takes note of it. */
  seeCommand(answer: { sentAt: number; answeredAt: number; body: string }): WireCommand {
    const command = JSON.parse(answer.body) as WireCommand;
    this.#observer.see('answers', [command], answer.sentAt, answer.answeredAt);
    return command;
  }

  /** Reads until a web process answers 200, or the signal is aborted; null then. */
  async read(path: string, signal: AbortSignal): Promise<{ sentAt: number; answeredAt: number; body: string } | null> {
    while (!signal.aborted) {
      const answer = await this.call({ path });
      if ('status' in answer && answer.status === 200) return answer;
      await pause(100, signal);
    }
    return null;
  }

  /** A list of commands, each of which is taken note of; null where the signal came first. */
  async list(query: string, signal: AbortSignal): Promise<WireCommand[] | null> {
    const answer = await this.read(`/commands${query}`, signal);
    if (answer === null) return null;
    const commands = JSON.parse(answer.body) as WireCommand[];
    this.#observer.see('answers', commands, answer.sentAt, answer.answeredAt);
    return commands;
  }

  async delivery(token: string, signal: AbortSignal): Promise<DeliveryAnswer | null> {
    const answer = await this.read(`/commands/${token}/deliveries`, signal);
    return answer && (JSON.parse(answer.body) as DeliveryAnswer);
  }

  /** Follows the stream of all commands until it breaks off, calling back for each command told of. */
  async follow(onCommand: (command: WireCommand) => void, signal: AbortSignal): Promise<void> {
    try {
      const url = `${this.#random.pick(this.#urls())}/events`;
      const response = await fetch(url, { headers: this.#credentials, signal });
      let rest = '';
      for await (const text of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        const events = (rest + text).split('\n\n');
        rest = events.pop() ?? '';
        for (const event of events) {
          const data = event.split('\n').find((field) => field.startsWith('data: '));
          if (response.ok && data !== undefined) onCommand(JSON.parse(data.slice('data: '.length)) as WireCommand);
        }
      }
    } catch (error) {
      // The process behind it is killed now and then; the caller follows another one.
      if (error instanceof SyntaxError) throw error;
    }
  }
}
