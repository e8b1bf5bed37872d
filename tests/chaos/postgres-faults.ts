import { pause } from '../../worker/backoff.ts';
import type { TestProxy } from '../support/proxy.ts';
import { refuseRows } from './full-disk.ts';
import type { Place } from './place.ts';
import type { Random } from './random.ts';
import { leaseSeconds, type Site } from './site.ts';

/** What Postgres' messages of a statement hold: the names of those prepared once, and the beginning of others. */
const statements = {
  accept: 'insert_command',
  claim: 'claim_command',
  end: 'finish_command',
  putBack: 'update "dokku_api"."commands" set',
  beat: 'held as (',
};

type Statement = keyof typeof statements;

export async function restartPostgres(site: Site, signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
  const kind = signal === 'SIGINT' ? 'postgres restarted' : 'postgres crashed';
  await site.strike({ kind }, async () => await site.services.postgres.restart(signal));
}

/** Every connection to Postgres ends at once; then it is away for a while, for all alike. */
export async function cutPostgres(site: Site, awayMs: number, over: AbortSignal): Promise<void> {
  const proxies = [...site.proxies.values()];
  await site.strike({ kind: 'postgres away' }, async () => {
    for (const proxy of proxies) {
      if (awayMs > 0) proxy.refuse();
      proxy.cut();
    }
    await pause(awayMs, over);
    await Promise.all(proxies.map((proxy) => proxy.allow()));
  });
}

/** Packets to and from Postgres are dropped for a while: for all processes, or for one of them alone. */
export async function dropPostgres(site: Site, place: Place | null, forMs: number, over: AbortSignal): Promise<void> {
  const kind = place === null ? 'postgres half-open' : 'postgres half-open for one';
  await site.strike({ kind, processes: struck(place) }, async () => {
    const proxies = proxiesOf(site, place);
    for (const proxy of proxies) proxy.drop();
    await pause(forMs, over);
    for (const proxy of proxies) proxy.resume();
  });
}

/** Nothing gets through for a while, and nothing is lost: all of it arrives late. */
export async function holdPostgres(site: Site, place: Place | null, forMs: number, over: AbortSignal): Promise<void> {
  const kind = place === null ? 'postgres slow' : 'postgres slow for one';
  await site.strike({ kind, processes: struck(place) }, async () => {
    const proxies = proxiesOf(site, place);
    for (const proxy of proxies) proxy.hold();
    await pause(forMs, over);
    for (const proxy of proxies) proxy.resume();
  });
}

/** The next statement of that name of a process is carried out, and its answer is cut off. */
export async function loseAnswer(site: Site, place: Place, statement: Statement, over: AbortSignal): Promise<void> {
  await onStatement(site, place, statement, `postgres answer lost: ${statement}`, over, () => 'forward-and-cut');
}

/** The next statement of that name of a process arrives long after the process has given up on its answer. */
export async function delayStatement(
  site: Site,
  place: Place,
  statement: Statement,
  random: Random,
  over: AbortSignal,
): Promise<void> {
  const lateMs = random.between(7100, 8500);
  const kind = `postgres statement late: ${statement}`;
  await onStatement(site, place, statement, kind, over, async () => {
    await pause(lateMs, over);
    return 'forward' as const;
  });
}

/** Rows that are written do not fit on the disk, all of them or every other one, for a while. */
async function fillDisk(site: Site, random: Random, over: AbortSignal): Promise<void> {
  const share = random.pick([0.5, 1]);
  const fullMs = random.between(200, 3000);
  await site.strike({ kind: 'postgres disk full' }, async () => {
    await refuseRows(site.databaseUrl, share);
    await pause(fullMs, over);
    await refuseRows(site.databaseUrl, 0);
  });
}

async function onStatement(
  site: Site,
  place: Place,
  statement: Statement,
  kind: string,
  over: AbortSignal,
  decide: () => 'forward-and-cut' | Promise<'forward'>,
): Promise<void> {
  const proxy = site.proxies.get(place.name);
  if (proxy === undefined) throw new Error(`${place.name} has no proxy`);
  const met = new AbortController();
  let done: Promise<void> | undefined;
  const takeOff = proxy.onData('toTarget', (chunk) => {
    if (met.signal.aborted || !chunk.includes(statements[statement])) return 'forward';
    met.abort();
    const verdict = decide();
    done = site.strike({ kind }, async () => {
      await verdict;
    });
    return verdict;
  });
  await pause(3000, AbortSignal.any([met.signal, over]));
  await done;
  takeOff();
}

function proxiesOf(site: Site, place: Place | null): TestProxy[] {
  return [...site.proxies].filter(([name]) => place === null || name === place.name).map(([, proxy]) => proxy);
}

/** A process that is cut off alone loses its leases to the others; all together lose none. */
function struck(place: Place | null) {
  return place === null ? [] : place.alive;
}

export function postgresFaults(site: Site, random: Random, over: AbortSignal) {
  const anyone = () => random.pick([...site.workers, ...site.webs]);
  const worker = () => random.pick(site.workers);
  const outageMs = () => (random.chance(0.15) ? 3 * leaseSeconds * 1000 : random.between(200, 2500));
  const aloneMs = () => random.between(300, 2.5 * leaseSeconds * 1000);
  const workerStatement = () => random.pick(['claim', 'end', 'putBack', 'beat'] as const);
  return [
    [2, () => restartPostgres(site, 'SIGINT')],
    [2, () => restartPostgres(site, 'SIGQUIT')],
    [2, () => cutPostgres(site, 0, over)],
    [2, () => cutPostgres(site, outageMs(), over)],
    [1, () => dropPostgres(site, null, outageMs(), over)],
    [2, () => dropPostgres(site, anyone(), aloneMs(), over)],
    [1, () => holdPostgres(site, null, outageMs(), over)],
    [2, () => holdPostgres(site, anyone(), aloneMs(), over)],
    [2, () => fillDisk(site, random, over)],
    [2, () => loseAnswer(site, random.pick(site.webs), 'accept', over)],
    [4, () => loseAnswer(site, worker(), workerStatement(), over)],
    [1, () => delayStatement(site, worker(), workerStatement(), random, over)],
  ] as const;
}
