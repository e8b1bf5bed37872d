import type { Installation } from './installation.ts';
import { type TestProcess, waitFor } from './process.ts';
import { storedIn } from './stored.ts';

export interface Replica {
  /** Under which it holds leases. */
  id: string;
  process: TestProcess;
}

/** The worker processes of an installation that are alive. */
export class Replicas {
  readonly #installation: Installation;
  readonly #env: Record<string, string>;
  readonly #alive = new Map<string, Replica>();

  constructor(installation: Installation, env: Record<string, string> = {}) {
    this.#installation = installation;
    this.#env = env;
  }

  get alive(): readonly Replica[] {
    return [...this.#alive.values()];
  }

  /** Starts as many as are missing. */
  async fill(count: number): Promise<void> {
    await Promise.all(Array.from({ length: Math.max(0, count - this.#alive.size) }, () => this.start()));
  }

  async start(env: Record<string, string> = {}): Promise<Replica> {
    const process = await this.#installation.startWorker({ ...this.#env, ...env });
    const { worker } = await process.waitForLog((entry) => entry.msg === 'worker started');
    const replica = { id: String(worker), process };
    this.#alive.set(replica.id, replica);
    void process.exit.then(() => this.#alive.delete(replica.id));
    return replica;
  }

  /** Waits until one of them holds the server's lease. */
  async owner(server = 'default'): Promise<Replica> {
    const stored = storedIn(this.#installation.database);
    return await waitFor(async () => this.#alive.get((await stored.lease(server)).owner ?? ''), {
      describe: `a living owner of ${server}`,
    });
  }

  /** Kills the owner of the server's lease as `kill -9` does, and returns it when it has ended. */
  async killOwner(server = 'default'): Promise<Replica> {
    const owner = await this.owner(server);
    owner.process.signal('SIGKILL');
    await owner.process.exit;
    return owner;
  }
}
