import {
  accessSync,
  constants,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { processStart } from './process-table.ts';

/** The file in a claimed folder that names the process that holds it. */
const CLAIM = 'starter.json';

interface Holder {
  pid: number;
  startedAt: string;
}

function self(): Holder {
  const startedAt = processStart(process.pid);
  if (startedAt === null) throw new Error('This process is not in the process table (is /proc mounted?)');
  return { pid: process.pid, startedAt };
}

/** The id of the running process that holds a folder; null where none does, or it ended without letting go. */
export function claimHolder(folder: string): number | null {
  let text: string;
  try {
    text = readFileSync(join(folder, CLAIM), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new Error(`${join(folder, CLAIM)} cannot be read`, { cause: error });
  }
  const holder = JSON.parse(text) as Holder;
  return processStart(holder.pid) === holder.startedAt ? holder.pid : null;
}

export interface Claim {
  /** The folder by its real path. */
  folder: string;
  release(): void;
}

/** Makes a folder where it is absent, and finds out whether this process may use it. */
function openFolder(path: string): string {
  try {
    mkdirSync(dirname(path), { recursive: true });
    if (!existsSync(path)) mkdirSync(path, { mode: 0o700 });
    const folder = realpathSync(path);
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    return folder;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
    throw new Error(`${path} may not be written by this user: start as the user it belongs to, or remove it`, {
      cause: error,
    });
  }
}

/**
 * Takes a folder for this process, so that a second start does not end the servers of a first one that still runs.
 * The claim of a process that was killed counts no more.
 *
 * @param path made where it is absent
 * @throws Error in one line when a running process holds the folder, or it belongs to another user
 */
export function claimFolder(path: string): Claim {
  const folder = openFolder(path);
  const claim = join(folder, CLAIM);
  const draft = mkdtempSync(join(folder, 'claim-'));
  try {
    writeFileSync(join(draft, CLAIM), JSON.stringify(self()));
    for (let attempt = 1; attempt <= 3; attempt++) {
      try {
        // A link is made whole or not at all: nobody ever reads half a claim.
        linkSync(join(draft, CLAIM), claim);
        return { folder, release: () => rmSync(claim, { force: true }) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const holder = claimHolder(folder);
      if (holder !== null) throw new Error(`${folder} is in use by process ${holder}: stop that one first`);
      rmSync(claim, { force: true });
    }
    throw new Error(`${folder} is being taken by another process at this moment: start again`);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}
