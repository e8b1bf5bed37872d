import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Program, startProgram } from './program.ts';

export const unitPath = fileURLToPath(new URL('../../deploy/dokku-daemon-forward@.service', import.meta.url));

/** What the unit says, lines that go on put together. */
export function settingOf(name: string): string {
  const text = readFileSync(unitPath, 'utf8').replaceAll('\\\n', ' ');
  const [, value] = new RegExp(`^${name}=(.*)$`, 'm').exec(text) ?? [];
  if (value === undefined) throw new Error(`the unit has no ${name}`);
  return value;
}

export interface ForwardPlace {
  /** The unit's instance. */
  instance: string;
  configurationFolder: string;
  runtimeFolder: string;
}

/** The unit's own command line, as systemd makes it: specifiers, variables, words. */
export function commandLine({ instance, configurationFolder, runtimeFolder }: ForwardPlace): string[] {
  return settingOf('ExecStart')
    .replaceAll('%i', instance)
    .replaceAll(`\${CONFIGURATION_DIRECTORY}`, configurationFolder)
    .replaceAll(`\${RUNTIME_DIRECTORY}`, runtimeFolder)
    .split(/ +/);
}

/** Runs the unit's command and starts it again whenever it ends, after the unit's RestartSec. */
export class Forward {
  readonly #place: ForwardPlace;
  #program: Program | undefined;
  #stopped = false;
  /** How often it was started. */
  starts = 0;
  #output = '';

  constructor(place: ForwardPlace) {
    this.#place = place;
  }

  get socketPath(): string {
    return `${this.#place.runtimeFolder}/${this.#place.instance}.sock`;
  }

  get output(): string {
    return this.#output + (this.#program?.output() ?? '');
  }

  async start(): Promise<void> {
    if (settingOf('Restart') !== 'always') throw new Error('the unit does not start it again');
    const restartMs = Number(settingOf('RestartSec')) * 1000;
    const [command = '', ...args] = commandLine(this.#place);
    const program = await startProgram({ command, args });
    this.#program = program;
    this.starts += 1;
    void program.exit.then(() => {
      this.#output += program.output();
      if (!this.#stopped) setTimeout(() => void (this.#stopped || this.start()), restartMs);
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#program?.stop();
  }
}
