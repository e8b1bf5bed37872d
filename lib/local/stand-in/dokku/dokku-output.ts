/** Ends a dokku command with an error line and an exit code. */
export class DokkuFailure extends Error {
  readonly exit: number;

  constructor(message: string, exit = 1) {
    super(message);
    this.name = 'DokkuFailure';
    this.exit = exit;
  }
}

/** What a dokku command prints, in Dokku's own forms of line. `--quiet` leaves headings and steps out. */
export class DokkuOutput {
  readonly quiet: boolean;
  /** Whether the command follows what it printed, and so goes on until somebody stops it. */
  follows = false;
  #text = '';

  constructor(quiet: boolean) {
    this.quiet = quiet;
  }

  get text(): string {
    return this.#text;
  }

  line(text: string): void {
    this.#text += `${text}\n`;
  }

  heading(text: string): void {
    if (!this.quiet) this.line(`=====> ${text}`);
  }

  step(text: string): void {
    if (!this.quiet) this.line(`-----> ${text}`);
  }

  detail(text: string): void {
    this.line(`       ${text}`);
  }

  warning(text: string): void {
    this.line(` !     ${text}`);
  }
}
