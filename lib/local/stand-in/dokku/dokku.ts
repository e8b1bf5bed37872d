import { APPS_COMMANDS } from './apps.ts';
import { CONFIG_COMMANDS } from './config.ts';
import { DokkuFailure, DokkuOutput } from './dokku-output.ts';
import { DOMAINS_COMMANDS } from './domains.ts';
import { HELP_COMMANDS, pluginHelp } from './help.ts';
import type { HostState } from './host-state.ts';
import type { CommandHandler } from './invocation.ts';
import { LOGS_COMMANDS } from './logs.ts';
import { PS_COMMANDS } from './ps.ts';
import { REPORT_COMMANDS } from './reports.ts';

export interface DokkuResult {
  /** stdout and stderr as they come, in one. */
  output: Buffer;
  exit: number;
  /** A followed log: it goes on until somebody stops it. */
  neverEnds: boolean;
}

const HANDLERS = new Map<string, CommandHandler>([
  ...APPS_COMMANDS,
  ...CONFIG_COMMANDS,
  ...PS_COMMANDS,
  ...DOMAINS_COMMANDS,
  ...LOGS_COMMANDS,
  ...REPORT_COMMANDS,
  ...HELP_COMMANDS,
]);

/** A make-believe Dokku: believable answers over a host that remembers, and nothing that really runs. */
export class Dokku {
  readonly #host: HostState;
  readonly #now: () => Date;

  constructor(host: HostState, now: () => Date) {
    this.#host = host;
    this.#now = now;
  }

  /** What `dokku help --all` names. */
  commands(): string[] {
    return [...HANDLERS.keys()].sort();
  }

  /** Runs one command line, already parted into words. What it changed is in the state file when it returns. */
  run(words: string[]): DokkuResult {
    const { command, args, quiet } = readGlobalFlags(words);
    const out = new DokkuOutput(quiet);
    const handler = HANDLERS.get(command) ?? (command.endsWith(':help') ? pluginHelp(command) : null);
    let exit = 0;
    try {
      if (!handler) {
        out.warning(`\`${command}\` is not a dokku command.`);
        throw new DokkuFailure('See `dokku help` for a list of available commands.');
      }
      handler({ command, args, host: this.#host, out, now: this.#now() });
    } catch (error) {
      if (!(error instanceof DokkuFailure)) throw error;
      if (error.message !== '') out.warning(error.message);
      exit = error.exit;
    }
    this.#host.save();
    return { output: Buffer.from(out.text), exit, neverEnds: out.follows };
  }
}

/** Flags before the command: `--app X` puts X first among its arguments, `--quiet` leaves headings out. */
function readGlobalFlags(words: string[]): { command: string; args: string[]; quiet: boolean } {
  const left = [...words];
  const app: string[] = [];
  let quiet = false;
  while (left[0]?.startsWith('--')) {
    const flag = left.shift();
    if (flag === '--quiet') quiet = true;
    if (flag === '--app') app.push(...left.splice(0, 1));
  }
  const [command = '', ...args] = left;
  return { command, args: [...app, ...args], quiet };
}
