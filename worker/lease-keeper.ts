/**
 * Which servers this process runs. It raises its beat every fifth of a lease, looks at everybody's twice a second or more
 * often, takes leases that are free or whose owner was silent for a whole lease, and gives up what is more than its
 * share.
 */
import { databaseErrorCode } from '../db/client.ts';
import type { Leases, Observation } from '../db/leases.ts';
import { pause } from './backoff.ts';
import type { WorkerContext } from './context.ts';
import { HeldLease } from './held-lease.ts';
import { outageNotice } from './outage-notice.ts';
import { Silence } from './silence.ts';

type LeaseSign = Observation['leases'][number];

export type LeaseKeeperOptions = {
  context: WorkerContext;
  /** With its own few connections and short time limits, so that no other query delays a beat. */
  leases: Leases;
  servers: readonly string[];
  host: string;
  version: string;
  /** Runs a server until its lease has ended or is to be released; nothing is in hand when it resolves. */
  run: (lease: HeldLease) => Promise<void>;
  /** Callbacks are due. */
  onDeliveriesDue: () => void;
  /** The set of held leases has changed, or one of them has become idle. */
  onChange: () => void;
  /** A run ended by an error that nobody handles: what it had in hand is for a successor to judge. */
  onFatal: (error: unknown) => void;
};

export class LeaseKeeper {
  readonly held = new Map<string, HeldLease>();
  readonly #options: LeaseKeeperOptions;
  readonly #context: WorkerContext;
  readonly #leases: Leases;
  readonly #leaseMs: number;
  readonly #silence: Silence;
  readonly #sayBeatFailed: (error: unknown) => void;
  readonly #sayLookFailed: (error: unknown) => void;
  readonly #runs = new Set<Promise<void>>();
  /** Servers given up for being out of reach, and until when others go first. */
  readonly #deferred = new Map<string, number>();
  /** Since when a server has had no owner that lives, for this process to take it beyond its share. */
  readonly #orphanedSince = new Map<string, number>();

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
    this.#context = options.context;
    this.#leases = options.leases;
    this.#leaseMs = options.context.config.leaseSeconds * 1000;
    this.#silence = new Silence(this.#context.now, this.#leaseMs / 2);
    this.#sayBeatFailed = outageNotice(this.#context, 'beat failed');
    this.#sayLookFailed = outageNotice(this.#context, 'looking at the leases failed');
  }

  /** Beats and looks until the process is to stop and every lease is released. */
  async keep(): Promise<void> {
    const { stopping } = this.#context;
    const beating = new AbortController();
    const beats = this.#repeat(this.#leaseMs / 5, beating.signal, () => this.#beat());
    await this.#repeat(Math.min(500, this.#leaseMs / 10), stopping, () => this.#look());
    while (this.#runs.size > 0) await Promise.all(this.#runs);
    beating.abort();
    await beats;
  }

  async #repeat(everyMs: number, signal: AbortSignal, step: () => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      const began = this.#context.now();
      await step();
      await pause(Math.max(everyMs - (this.#context.now() - began), 10), signal);
    }
  }

  async #beat(): Promise<void> {
    const began = this.#context.now();
    const heldThen = [...this.held.values()];
    try {
      const { known, leases } = await this.#leases.beat(
        this.#context.id,
        heldThen.map(({ server }) => server),
      );
      const epochs = new Map(leases.map(({ server, epoch }) => [server, epoch]));
      for (const lease of heldThen) {
        if (epochs.get(lease.server) === lease.epoch) lease.confirm(began);
        else this.#lose(lease);
      }
      if (!known) await this.#register();
    } catch (error) {
      this.#sayBeatFailed(error);
    }
  }

  async #register(): Promise<void> {
    const { servers, host, version } = this.#options;
    await this.#leases.register({ id: this.#context.id, servers, host, version });
  }

  async #look(): Promise<void> {
    const began = this.#context.now();
    let observation: Observation;
    try {
      observation = await this.#leases.observe(this.#options.servers);
    } catch (error) {
      this.#silence.lookFailed();
      this.#orphanedSince.clear();
      this.#sayLookFailed(error);
      return;
    }
    // A late answer shows what was, not what is.
    if (this.#context.now() - began > this.#leaseMs / 2) this.#silence.lookFailed();
    this.#silence.look(signsOf(observation));
    if (observation.deliveriesDue) this.#options.onDeliveriesDue();
    for (const row of observation.leases) this.#heed(row);
    await this.#takeShare(observation);
    this.#giveUpExcess(observation);
  }

  /** What the look says of a lease that this process holds. */
  #heed(row: LeaseSign): void {
    const lease = this.held.get(row.server);
    if (lease === undefined) return;
    if (row.owner !== this.#context.id || row.epoch > lease.epoch) {
      this.#lose(lease);
      return;
    }
    if (row.epoch < lease.epoch) return;
    if (row.queued || (row.blocked && !lease.blocked)) {
      lease.blocked ||= row.blocked;
      lease.idle = false;
      lease.attention.notify();
    }
  }

  async #takeShare(observation: Observation): Promise<void> {
    const now = this.#context.now();
    const shares = this.#shares(observation);
    for (const row of shuffled(observation.leases)) {
      if (!this.#takeable(row)) {
        this.#orphanedSince.delete(row.server);
        continue;
      }
      const since = this.#orphanedSince.get(row.server) ?? now;
      this.#orphanedSince.set(row.server, since);
      if ((this.#deferred.get(row.server) ?? 0) > now && shares.othersFor(row.server)) continue;
      // Beyond the share only what nobody else took for a while: no server is ever left without a worker.
      if (shares.othersFor(row.server) && this.#sharedHeld(shares) >= shares.most && now - since < 2 * this.#leaseMs) {
        continue;
      }
      await this.#take(row);
    }
  }

  /** Free, or its owner silent for a whole lease; or ours by a take whose answer was not had. */
  #takeable(row: LeaseSign): boolean {
    if (this.held.has(row.server)) return false;
    if (row.owner === null || row.owner === this.#context.id) return true;
    return this.#silence.silentMs(leaseName(row)) >= this.#leaseMs;
  }

  async #take(row: LeaseSign): Promise<void> {
    const beatBegan = this.#context.now();
    try {
      const taken = await this.#leases.take(this.#context.id, row);
      if (taken === null) return;
      const { now } = this.#context;
      const lease = new HeldLease(taken, { now, leaseMs: this.#leaseMs, beatBegan, onIdle: this.#options.onChange });
      this.held.set(lease.server, lease);
      this.#orphanedSince.delete(lease.server);
      this.#context.log.info({ server: lease.server, epoch: lease.epoch, from: row.owner }, 'lease taken');
      this.#options.onChange();
      const run = this.#run(lease).finally(() => this.#runs.delete(run));
      this.#runs.add(run);
    } catch (error) {
      this.#context.log.warn({ server: row.server, code: databaseErrorCode(error) }, 'lease not taken');
    }
  }

  async #run(lease: HeldLease): Promise<void> {
    try {
      await this.#options.run(lease);
    } catch (error) {
      this.#options.onFatal(error);
      return;
    }
    if (lease.ended) return;
    if (this.held.get(lease.server) === lease) this.held.delete(lease.server);
    lease.end();
    this.#options.onChange();
    try {
      await this.#leases.release(lease);
      this.#context.log.info({ server: lease.server, epoch: lease.epoch }, 'lease released');
    } catch (error) {
      this.#context.log.warn(
        { server: lease.server, code: databaseErrorCode(error) },
        'lease not released: it runs out by itself',
      );
    }
  }

  #lose(lease: HeldLease): void {
    if (lease.ended) return;
    this.held.delete(lease.server);
    lease.end();
    this.#context.log.warn({ server: lease.server, epoch: lease.epoch }, 'lease lost to another worker');
    this.#options.onChange();
  }

  /** One at a time, so that replicas settle instead of passing servers around. */
  #giveUpExcess(observation: Observation): void {
    const shares = this.#shares(observation);
    for (const lease of this.held.values()) {
      if (lease.releaseAsked || !shares.othersFor(lease.server)) continue;
      if (lease.unreachable) {
        this.#deferred.set(lease.server, this.#context.now() + this.#leaseMs);
        lease.askRelease();
        return;
      }
      if (lease.idle && this.#sharedHeld(shares) > shares.most) {
        lease.askRelease();
        return;
      }
    }
  }

  #sharedHeld(shares: Shares): number {
    return [...this.held.keys()].filter((server) => shares.othersFor(server)).length;
  }

  /** At most ⌈servers ÷ live workers⌉ each, of the servers that others have configured too. */
  #shares(observation: Observation): Shares {
    const others = observation.workers.filter(
      (worker) => worker.id !== this.#context.id && this.#silence.silentMs(workerName(worker)) < this.#leaseMs,
    );
    const othersFor = (server: string) => others.some((worker) => worker.servers.includes(server));
    const shared = this.#options.servers.filter(othersFor);
    const sharing = others.filter((worker) => worker.servers.some((server) => shared.includes(server)));
    return { othersFor, most: Math.ceil(shared.length / (sharing.length + 1)) };
  }
}

type Shares = { othersFor: (server: string) => boolean; most: number };

const leaseName = (row: { server: string }) => `lease ${row.server}`;
const workerName = (worker: { id: string }) => `worker ${worker.id}`;

function signsOf(observation: Observation): Map<string, string> {
  return new Map([
    ...observation.leases.map((row) => [leaseName(row), `${row.owner} ${row.epoch} ${row.beat}`] as const),
    ...observation.workers.map((worker) => [workerName(worker), String(worker.beat)] as const),
  ]);
}

/** Replicas that look at the same moment should not all try the same lease first. */
function shuffled<Item>(items: readonly Item[]): Item[] {
  return items
    .map((item) => ({ item, order: Math.random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item);
}
