import { setTimeout as delay } from 'node:timers/promises';
import { CommandLock } from './command-lock.ts';
import type { ReplyFault, RunningCommand } from './control-protocol.ts';
import type { Dokku, DokkuResult } from './dokku/dokku.ts';
import type { EventLog } from './event-log.ts';
import type { HostRoot } from './host-root.ts';
import type { KnownCommands } from './known-commands.ts';
import { encodeReply } from './reply.ts';
import { requestWords, takeRedirect } from './request-words.ts';
import type { AppliedSwitch, Switches } from './switches.ts';

/** What the daemon knows of one connection: one bash process of the real one. */
export interface Session {
  readonly id: number;
  /** The exit code of the last command without a redirect; a redirect leaves it, and with it `ok`, as it was. */
  status: number;
  /** Ends the connection without a reply. */
  end(): void;
}

export interface Answer {
  reply: Buffer;
  fault: ReplyFault | null;
}

interface Response {
  output: Buffer;
  status: number;
}

interface RunRequest {
  line: string;
  words: string[];
  applied: AppliedSwitch | null;
}

interface DaemonParts {
  dokku: Dokku;
  root: HostRoot;
  known: KnownCommands;
  switches: Switches;
  log: EventLog;
  /** How long a dokku takes, in milliseconds, under the lock. */
  commandMs: number;
}

/** Answers request lines. A run, once begun or waiting for the lock, goes on whatever becomes of its connection. */
export class Daemon {
  readonly #parts: DaemonParts;
  #lock = new CommandLock();
  readonly #running = new Map<number, RunningCommand>();
  readonly #waiting = new Set<{ connection: number; line: string }>();

  constructor(parts: DaemonParts) {
    this.#parts = parts;
  }

  /** `line` is latin1 without its newline. Returns null where the connection was ended instead. */
  async answer(session: Session, line: string): Promise<Answer | null> {
    const text = Buffer.from(line, 'latin1').toString('utf8');
    this.#parts.log.write({ event: 'request', connection: session.id, line: text });
    const applied = this.#parts.switches.take(text);
    const fault = applied?.reply ?? null;
    if (fault?.kind === 'close' && fault.when === 'before-run') {
      session.end();
      return null;
    }
    const { output, status } = await this.#respond(session, line, text, applied);
    session.status = status;
    return { reply: encodeReply(status === 0, output), fault };
  }

  /** The lock file is deleted: what runs or waits keeps the old one, what comes now takes a new one. */
  dropLock(): void {
    this.#lock = new CommandLock();
  }

  running(): RunningCommand[] {
    return [...this.#running.values()];
  }

  waiting(): { connection: number; line: string }[] {
    return [...this.#waiting];
  }

  /** Writes the end of what still runs, before the process ends. */
  abandon(): void {
    for (const run of this.#running.keys()) this.#parts.log.write({ event: 'end', run, exit: null });
    this.#running.clear();
  }

  async #respond(session: Session, line: string, text: string, applied: AppliedSwitch | null): Promise<Response> {
    const { known, root, commandMs } = this.#parts;
    const words = requestWords(line, root);
    switch (words[0]) {
      case 'enter':
      case 'shell':
        return refusal('Not implemented');
      case 'commands':
        return { output: Buffer.from(known.list().join('\n')), status: 0 };
      case 'refresh':
        await known.refresh(() => pause(commandMs));
        return { output: Buffer.from('Refreshed commands'), status: 0 };
    }
    if (!known.accepts(words)) return refusal('Invalid command');
    if (words.includes('apps:destroy') && !words.includes('--force')) return refusal('Requires --force flag');

    const { words: command, redirect } = takeRedirect(words);
    const request: RunRequest = { line: text, words: command.map(fromBytes), applied };
    if (redirect === null) {
      const { output, exit } = await this.#run(session, request);
      return { output, status: exit };
    }
    // bash reports a file that it cannot open to the daemon's own stderr, and dokku is not run
    const unchanged = { output: Buffer.alloc(0), status: session.status };
    if (redirect.direction === 'in') {
      if (!root.canRead(redirect.path)) return unchanged;
      return { ...unchanged, output: (await this.#run(session, request)).output };
    }
    if (root.write(redirect.path, Buffer.alloc(0))) {
      root.write(redirect.path, (await this.#run(session, request)).output);
    }
    return unchanged;
  }

  async #run(session: Session, request: RunRequest): Promise<{ output: Buffer; exit: number }> {
    const { log, commandMs, switches } = this.#parts;
    const { line, words, applied } = request;
    const waiting = { connection: session.id, line };
    this.#waiting.add(waiting);
    const release = await this.#lock.acquire();
    this.#waiting.delete(waiting);

    const run = log.nextRun();
    const since = log.write({ event: 'start', run, connection: session.id, line, words });
    const running: RunningCommand = {
      run,
      connection: session.id,
      line,
      since,
      switchId: applied?.id ?? null,
      held: false,
    };
    this.#running.set(run, running);
    if (applied?.reply?.kind === 'close' && applied.reply.when === 'at-start') session.end();

    let exit: number | null = null;
    try {
      await pause(commandMs + (applied?.delayMs ?? 0));
      if (applied?.hold) {
        running.held = true;
        await switches.hold(applied.id);
      }
      const result = this.#execute(request);
      if (result.neverEnds) {
        running.held = true;
        await switches.hold(null);
      }
      exit = result.exit;
      return result;
    } finally {
      this.#running.delete(run);
      log.write({ event: 'end', run, exit });
      release();
    }
  }

  #execute({ words, applied }: RunRequest): DokkuResult {
    const given = applied?.dokku;
    const result = given === undefined ? this.#parts.dokku.run(words) : givenResult(given);
    const flood = applied?.output;
    return flood === undefined ? result : { ...result, output: Buffer.alloc(flood.bytes, flood.fill ?? 'x') };
  }
}

function givenResult(given: NonNullable<AppliedSwitch['dokku']>): DokkuResult {
  const output = [given.stdoutBase64 ?? '', given.stderrBase64 ?? ''].map((part) => Buffer.from(part, 'base64'));
  return { output: Buffer.concat(output), exit: given.exit ?? 0, neverEnds: false };
}

function refusal(message: string): Response {
  return { output: Buffer.from(message), status: 1 };
}

function fromBytes(word: string): string {
  return Buffer.from(word, 'latin1').toString('utf8');
}

async function pause(milliseconds: number): Promise<void> {
  if (milliseconds > 0) await delay(milliseconds);
}
