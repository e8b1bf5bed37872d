import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';

const kept = [
  'DATABASE_URL',
  'REDIS_URL',
  'SECRET_KEY',
  'DOKKU_DAEMON_SOCKET',
  'DOKKU_SERVERS',
  'HOST',
  'PORT',
] as const;
const fileName = 'env';

/** Writes down what `npm start` runs with, readable by its owner alone. */
export function keepEnvironment(folder: string, environment: NodeJS.ProcessEnv): void {
  const lines = kept.flatMap((name) => (environment[name] ? [`${name}='${environment[name]}'`] : []));
  writeFileSync(join(folder, fileName), `${lines.join('\n')}\n`, { mode: 0o600 });
}

/**
 * The environment of a command in the terminal: its own, and where that names no database, what `npm start` runs with
 * in this folder, so that `npm run keys:generate` works beside it.
 */
export function terminalEnvironment(folder: string, environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  if (environment.DATABASE_URL) return environment;
  try {
    return { ...parseEnv(readFileSync(join(folder, fileName), 'utf8')), ...environment };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return environment;
    throw new Error(`${join(folder, fileName)} cannot be read: remove it, or set DATABASE_URL`, { cause: error });
  }
}
