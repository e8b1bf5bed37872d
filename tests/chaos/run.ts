import { setMaxListeners } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { pause } from '../../worker/backoff.ts';
import { waitFor } from '../support/process.ts';
import { faults as receiverFaults } from '../support/receiver.ts';
import { Api } from './api.ts';
import { checkRecords, type Verdict } from './checker.ts';
import { type BehaviourWeights, Client } from './client.ts';
import { monotonicMs } from './clock.ts';
import type { MutationName } from './mutations.ts';
import { Observer } from './observer.ts';
import { readProcessLogs } from './process-logs.ts';
import { Random } from './random.ts';
import type { DeliveryAnswer, PostedLine, ReceivedCallback, Records } from './records.ts';
import { allLanes, type Lane, strike } from './schedule.ts';
import type { Services } from './services.ts';
import { leaseSeconds, removedAfterMs, type Site, startSite } from './site.ts';
import { watchAnswers, watchEvents } from './watch.ts';

export type RunOptions = {
  services: Services;
  seed: number;
  /** For how long faults strike. */
  seconds: number;
  /** For how long commands may still take to become final, when all faults have passed. */
  settleSeconds?: number;
  behaviours?: BehaviourWeights;
  /** How many of the lines are canceled, and posted again, from 0 to 1. */
  cancels?: number;
  repeats?: number;
  lanes?: (site: Site, random: Random, over: AbortSignal) => Lane[];
  /** How many processes; default 2 and 3. */
  webs?: number;
  workers?: number;
  mutation?: MutationName;
};

/** What the run came to; `folder` holds its logs where it found something, and is gone where it did not. */
export type Outcome = Verdict & { records: Records; folder: string };

const everyBehaviour: BehaviourWeights = [
  [60, 'plain'],
  [6, 'refused'],
  [8, 'slow'],
  [3, 'late'],
  [1, 'silent'],
  [1, 'large'],
  [2, 'dribbled'],
  [1, 'closed_unread'],
  [1, 'closed_at_start'],
  [1, 'closed_at_reply'],
  [1, 'no_newline'],
  [1, 'cut_off'],
  [1, 'garbage'],
];
/** Enough that a queue is hardly ever empty, few enough to drain soon. */
const backlog = 10;
const parent = fileURLToPath(new URL('../../.local/chaos', import.meta.url));
let runs = 0;

/**
 * Posts commands while faults strike, waits until all has settled, and checks what is left behind.
 * @throws where the run itself broke off; the message names the folder of its logs
 */
export async function runChaos(options: RunOptions): Promise<Outcome> {
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, `seed-${options.seed}-`));
  try {
    const records = await leaveRecords(options, folder);
    const verdict = checkRecords(records);
    if (verdict.findings.length === 0) rmSync(folder, { recursive: true, force: true });
    else writeFileSync(join(folder, 'records.json'), JSON.stringify(records, infinityAsNull));
    return { ...verdict, records, folder };
  } catch (cause) {
    writeFileSync(join(folder, 'failure.txt'), inspect(cause));
    throw new Error(`the run of seed ${options.seed} broke off; its logs are in ${folder}`, { cause });
  }
}

async function leaveRecords(options: RunOptions, folder: string): Promise<Records> {
  const { services, seed, seconds, settleSeconds = 90, cancels = 0.05, repeats = 0.03 } = options;
  const random = new Random(seed);
  const from = Date.now();
  runs += 1;
  const site = await startSite({ ...options, name: `run_${runs}`, folder });
  const observer = new Observer();
  const api = new Api(() => site.urls(), site.key, observer, random.fork('api'));
  const callbacks = answerCallbacks(services, random.fork('receiver'));
  const lines: PostedLine[] = [];
  let numbers = runs * 100_000;
  const clients = [...services.daemons].map(
    ([server, daemon]) =>
      new Client({
        ...{ api, server, daemon, lines, backlog, cancels, repeats },
        receiverUrl: services.receiver.url,
        random: random.fork(`client of ${server}`),
        behaviours: options.behaviours ?? everyBehaviour,
        nextNumber: () => numbers++,
        isFinal: (token) => observer.isFinal(token),
      }),
  );
  const [faultsOver, givenUp, settled] = [new AbortController(), new AbortController(), new AbortController()];
  const lanes = (options.lanes ?? allLanes)(site, random, faultsOver.signal);
  for (const { signal } of [faultsOver, givenUp, settled]) setMaxListeners(0, signal);
  const posting = Promise.all(clients.map((client) => client.run(faultsOver.signal, givenUp.signal)));
  const watching = Promise.all([
    watchAnswers(api, observer, settled.signal),
    watchEvents(api, observer, settled.signal),
  ]);
  const striking = untilFilled(services, lines).then(() => strike(lanes, random, faultsOver.signal));
  const all = Promise.all([striking, posting, watching]);
  try {
    await Promise.race([untilFilled(services, lines).then(() => pause(seconds * 1000, faultsOver.signal)), all]);
    faultsOver.abort();
    const deadline = setTimeout(() => givenUp.abort(), settleSeconds * 1000);
    await striking;
    await posting;
    await untilFinal(api, lines, observer, givenUp.signal);
    clearTimeout(deadline);
    settled.abort();
    await watching;
    await Promise.all(site.workers.map((place) => place.close()));
    const answers = await readAll(api);
    await site.stop();
    return {
      ...{ lines, callbacks, ...answers },
      leaseMs: leaseSeconds * 1000,
      removedAfterMs,
      wallClock: { from, until: Date.now() },
      servers: [...services.daemons.keys()],
      observations: observer.all(),
      daemons: Object.fromEntries([...services.daemons].map(([server, daemon]) => [server, daemon.log()])),
      processes: site.started.map(({ record }) => record),
      faults: site.faults,
      ...readProcessLogs(folder, site.started),
    };
  } finally {
    for (const controller of [faultsOver, givenUp, settled]) controller.abort();
    await Promise.allSettled([striking, posting, watching]);
    await site.stop();
  }
}

/** Mostly takes what comes, late now and then, and refuses some at first. */
function answerCallbacks({ receiver }: Services, random: Random): ReceivedCallback[] {
  const callbacks: ReceivedCallback[] = [];
  receiver.answerWith(async ({ path, headers, body }) => {
    const status = random.weighted([
      [8, 200],
      [1, 500],
      [1, null],
    ] as const);
    const webhookId = String(headers['webhook-id']);
    callbacks.push({ at: monotonicMs(), url: receiver.url + path, webhookId, body, status });
    return status ?? receiverFaults.closeWithoutAnswer();
  });
  return callbacks;
}

/** Faults strike queues that hold something. */
async function untilFilled({ daemons }: Services, lines: readonly PostedLine[]): Promise<void> {
  const waiting = (server: string) => lines.filter((posted) => posted.server === server && posted.acceptedAt !== null);
  await waitFor(() => [...daemons.keys()].every((server) => waiting(server).length >= backlog / 2), {
    timeout: 20_000,
    describe: 'commands to wait for each server',
  });
}

/** Whatever was accepted, that whose answer was never had included. */
async function untilFinal(
  api: Api,
  lines: readonly PostedLine[],
  observer: Observer,
  givenUp: AbortSignal,
): Promise<void> {
  const isOpen = ({ tokens }: PostedLine) => tokens.length > 0 && !tokens.some((token) => observer.isFinal(token));
  while (!givenUp.aborted && lines.some(isOpen)) await pause(20, givenUp);
  for (const state of ['queued', 'running']) {
    while (!givenUp.aborted && (await api.list(`?state=${state}&limit=1`, givenUp))?.length !== 0)
      await pause(50, givenUp);
  }
}

/** All that the API says when nothing changes any more. */
async function readAll(api: Api): Promise<Pick<Records, 'commands' | 'deliveries'>> {
  const late = AbortSignal.timeout(30_000);
  const commands = await api.list('', late);
  if (commands === null) throw new Error('the commands could not be read when all had settled');
  const deliveries: Record<string, DeliveryAnswer> = {};
  for (const { token, callback_url } of commands) {
    const delivery = callback_url === null ? null : await api.delivery(token, late);
    if (delivery !== null) deliveries[token] = delivery;
  }
  return { commands, deliveries };
}

function infinityAsNull(_key: string, value: unknown): unknown {
  return value === Number.POSITIVE_INFINITY ? null : value;
}
