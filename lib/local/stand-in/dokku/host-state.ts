import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { DokkuFailure } from './dokku-output.ts';

export interface App {
  name: string;
  /** Seconds since the epoch. */
  createdAt: number;
  deployed: boolean;
  running: boolean;
  /** Counts the containers' generations: a restart makes new ones. */
  release: number;
  config: Map<string, string>;
  /** How many containers of each process type. */
  scale: Map<string, number>;
  domains: string[];
  domainsEnabled: boolean;
  /** The newest lines last, at most `LOG_LINES`. */
  logs: { at: string; process: string; text: string }[];
}

const LOG_LINES = 200;
const EVENT_LINES = 200;

/** The apps of a first start, deployed long ago. */
const SEED_CREATED_AT = Date.UTC(2017, 2, 15, 15, 13, 45) / 1000;
const SEED_APPS: { name: string; config: [string, string][]; scale: [string, number][] }[] = [
  { name: 'api', config: [['NODE_ENV', 'production']], scale: [['web', 2]] },
  {
    name: 'dokku-api',
    config: [
      ['DATABASE_URL', 'postgres://postgres:secret@dokku-postgres-dokku-api:5432/dokku_api'],
      ['REDIS_URL', 'redis://dokku-redis-dokku-api:6379'],
    ],
    scale: [
      ['web', 1],
      ['worker', 1],
    ],
  },
  { name: 'hello_world', config: [], scale: [['web', 1]] },
];

/** All that the make-believe host remembers, and the file that it is kept in. */
export class HostState {
  readonly #file: string;
  apps: App[] = [];
  globalConfig = new Map<string, string>();
  globalDomains = ['dokku.me'];
  /** Lines as `dokku events` prints them, the newest last. */
  events: string[] = [];
  #saved = '';

  private constructor(file: string) {
    this.#file = file;
  }

  /** Reads the file, or begins with the seed apps where there is none. Throws where it cannot be understood. */
  static load(file: string): HostState {
    const state = new HostState(file);
    if (existsSync(file)) state.#read();
    else state.#seed();
    return state;
  }

  /** Writes the file whole, and only when something has changed. */
  save(): void {
    const text = this.#serialize();
    if (text === this.#saved) return;
    writeFileSync(`${this.#file}.new`, text);
    renameSync(`${this.#file}.new`, this.#file);
    this.#saved = text;
  }

  /** Throws dokku's own failure, exit code 20 for an app that does not exist. */
  app(name: string | undefined): App {
    if (!name) throw new DokkuFailure('Please specify an app to run the command on');
    const app = this.apps.find((candidate) => candidate.name === name);
    if (app === undefined) throw new DokkuFailure(`App ${name} does not exist`, 20);
    return app;
  }

  addApp(name: string, createdAt: Date): App {
    const app: App = {
      name,
      createdAt: Math.floor(createdAt.getTime() / 1000),
      deployed: false,
      running: false,
      release: 0,
      config: new Map(),
      scale: new Map(),
      domains: this.globalDomains.map((domain) => `${name}.${domain}`),
      domainsEnabled: true,
      logs: [],
    };
    this.apps.push(app);
    this.apps.sort((a, b) => (a.name < b.name ? -1 : 1));
    return app;
  }

  removeApp(app: App): void {
    this.apps = this.apps.filter((candidate) => candidate !== app);
  }

  addEvent(at: Date, text: string): void {
    this.events.push(`${at.toISOString()} dokku dokku-event: ${text}`);
    this.events = this.events.slice(-EVENT_LINES);
  }

  addLog(app: App, at: Date, process: string, text: string): void {
    app.logs.push({ at: at.toISOString(), process, text });
    app.logs = app.logs.slice(-LOG_LINES);
  }

  #seed(): void {
    const at = new Date(SEED_CREATED_AT * 1000);
    for (const { name, config, scale } of SEED_APPS) {
      const app = this.addApp(name, at);
      Object.assign(app, { deployed: true, running: true, release: 1, config: new Map(config), scale: new Map(scale) });
      for (const process of processesOf(app)) this.addLog(app, at, process, `Starting process ${process}`);
      this.addLog(app, at, 'web.1', 'Listening on port 5000');
    }
    this.save();
  }

  #serialize(): string {
    const apps = this.apps.map((app) => ({ ...app, config: [...app.config], scale: [...app.scale] }));
    const { globalDomains, events } = this;
    const state = { version: 1, apps, globalConfig: [...this.globalConfig], globalDomains, events };
    return `${JSON.stringify(state, null, 1)}\n`;
  }

  #read(): void {
    this.#saved = readFileSync(this.#file, 'utf8');
    try {
      const state = JSON.parse(this.#saved);
      if (state.version !== 1) throw new Error(`its version is ${state.version}, not 1`);
      this.apps = state.apps.map((app: App) => ({ ...app, config: new Map(app.config), scale: new Map(app.scale) }));
      this.globalConfig = new Map(state.globalConfig);
      this.globalDomains = state.globalDomains;
      this.events = state.events;
    } catch (error) {
      throw new Error(`${this.#file} is no state of the stand-in daemon: move it away to start afresh`, {
        cause: error,
      });
    }
  }
}

/** The containers of an app, as `web.1`, by process type and number. */
export function processesOf(app: App): string[] {
  return [...app.scale]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([type, quantity]) => Array.from({ length: quantity }, (_, index) => `${type}.${index + 1}`));
}

/** A container's id: 64 hex characters, new with each release. */
export function containerId(app: App, process: string): string {
  return createHash('sha256').update(`${app.name} ${process} ${app.release}`).digest('hex');
}
