import { createConnection } from 'node:net';
import type {
  CommandSwitch,
  ControlRequest,
  ControlResponse,
  ControlResults,
  ListenerMode,
  ReplyFault,
  RunningCommand,
  Status,
} from '../../lib/local/stand-in/control-protocol.ts';
import { waitFor } from './process.ts';

/** A string is the whole request line, a regular expression (without flags) is looked for in it. */
export type Match = string | RegExp;

/** As the protocol's `CommandSwitch`, with bytes as they are instead of base64. */
export interface SwitchOptions extends Omit<CommandSwitch, 'match' | 'dokku' | 'reply'> {
  match?: Match;
  dokku?: { stdout?: string | Uint8Array; stderr?: string | Uint8Array; exit?: number };
  reply?: Exclude<ReplyFault, { kind: 'garbage' }> | { kind: 'garbage'; bytes: string | Uint8Array; close?: boolean };
}

export interface Hold {
  /** Resolves when a command is held, to that command. */
  held(): Promise<RunningCommand>;
  /** Lets it go on; later ones are not held any more. */
  release(): Promise<void>;
}

const CONTROL_MS = 10_000;

/** The control channel of one stand-in daemon; `control-protocol.ts` says what each switch does. */
export class StandInControl {
  readonly controlPath: string;

  constructor(controlPath: string) {
    this.controlPath = controlPath;
  }

  async control<R extends ControlRequest>(request: R, timeoutMs = CONTROL_MS): Promise<ControlResults[R['op']]> {
    const line = await exchangeLine(this.controlPath, `${JSON.stringify(request)}\n`, timeoutMs);
    const response = JSON.parse(line.toString('utf8')) as ControlResponse;
    if (!response.ok) throw new Error(`the stand-in refused ${request.op}: ${response.error}`);
    return response.result as ControlResults[R['op']];
  }

  status(): Promise<Status> {
    return this.control({ op: 'status' });
  }

  /** The commands that hold the lock: one, but for those from before a restart without it. */
  async running(): Promise<RunningCommand[]> {
    return (await this.status()).running;
  }

  /** Changes what happens to the next command that matches (or the next `times`). Resolves to the switch's id. */
  async addSwitch(options: SwitchOptions): Promise<number> {
    const { id } = await this.control({ op: 'add-switch', switch: encodeSwitch(options) });
    return id;
  }

  async removeSwitch(id: number): Promise<void> {
    await this.control({ op: 'remove-switch', id });
  }

  /** Lets the next matching command (or `times` of them) run, under the lock, until it is released. */
  async hold(match?: Match, times: SwitchOptions['times'] = 1): Promise<Hold> {
    const id = await this.addSwitch({ ...(match === undefined ? {} : { match }), times, hold: true });
    return {
      held: () =>
        waitFor(async () => (await this.running()).find((command) => command.switchId === id && command.held), {
          describe: 'the stand-in to hold a command',
        }),
      release: async () => {
        await this.control({ op: 'release', id });
      },
    };
  }

  /** What `dokku help --all` names; null is the stand-in's own list again. */
  async setKnownCommands(commands: string[] | null): Promise<void> {
    await this.control({ op: 'known-commands', commands });
  }

  /** `refusing` is ECONNREFUSED, `absent` ENOENT. Open connections end too, as with a daemon that is gone. */
  async setListener(mode: ListenerMode, { endConnections = mode !== 'listening' } = {}): Promise<void> {
    await this.control({ op: 'listener', mode, endConnections });
  }

  /** Ends all connections without a reply; resolves to how many. What runs goes on. */
  async endConnections(): Promise<number> {
    return (await this.control({ op: 'end-connections' })).ended;
  }

  /**
   * Within the running process, what a restart of the real daemon does to its clients. Resolves when it listens again.
   * What ran before goes on and, unless the lock is kept, may overlap with what comes after.
   */
  async restartDaemon({ downMs = 200, keepLock = false } = {}): Promise<void> {
    await this.control({ op: 'restart', downMs, keepLock }, CONTROL_MS + downMs);
  }

  /** Takes back every switch, releases what is held, listens. */
  async reset(): Promise<void> {
    await this.control({ op: 'reset' });
  }
}

function encodeSwitch({ match, dokku, reply, ...rest }: SwitchOptions): CommandSwitch {
  const encoded: CommandSwitch = { ...rest };
  if (typeof match === 'string') encoded.match = { line: match };
  else if (match !== undefined) {
    if (match.flags !== '') throw new Error(`${match}: flags of a regular expression do not reach the stand-in`);
    encoded.match = { pattern: match.source };
  }
  if (dokku !== undefined) {
    const { stdout = '', stderr = '', exit = 0 } = dokku;
    encoded.dokku = { stdoutBase64: base64(stdout), stderrBase64: base64(stderr), exit };
  }
  if (reply?.kind === 'garbage') {
    encoded.reply = { kind: 'garbage', base64: base64(reply.bytes), close: reply.close ?? false };
  } else if (reply !== undefined) encoded.reply = reply;
  return encoded;
}

function base64(bytes: string | Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

/** Writes one line to a Unix socket; resolves to the line that comes back, without its newline. */
export function exchangeLine(path: string, line: string, timeoutMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = createConnection(path, () => socket.write(line));
    const settle = (action: () => void): void => {
      socket.destroy();
      action();
    };
    const fail = (reason: string) => (cause?: unknown) =>
      settle(() => reject(new Error(`${path}: ${reason} (sent: ${line.slice(0, 80).trimEnd()})`, { cause })));
    socket.setTimeout(timeoutMs, fail(`no reply within ${timeoutMs} ms`));
    socket.once('error', fail('the connection failed'));
    socket.once('end', fail('the connection ended before a whole reply line'));
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      if (chunk.at(-1) === 0x0a) settle(() => resolve(Buffer.concat(chunks).subarray(0, -1)));
    });
  });
}
