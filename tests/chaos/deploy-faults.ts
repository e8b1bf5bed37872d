import { pause } from '../../worker/backoff.ts';
import type { Place } from './place.ts';
import type { Random } from './random.ts';
import { removedAfterMs, type Site } from './site.ts';

/** A deploy: old and new overlap, and the old one gets its SIGTERM twice. */
export async function replace(site: Site, random: Random, what: 'workers' | 'webs'): Promise<void> {
  await site.strike({ kind: `${what} deployed` }, () => random.pick(site[what]).replace());
}

export async function killWeb(site: Site, random: Random): Promise<void> {
  const struck = random.pick(site.webs).current;
  struck?.kill();
  await struck?.ended;
}

/**
 * One deploy takes a server away, with commands queued and running, and another one adds it again. Both go from process
 * to process, so that replicas with and without the server run at once; the server may be back before it counts as removed.
 */
export async function removeServer(site: Site, random: Random, over: AbortSignal): Promise<void> {
  const server = random.pick([...site.configured].filter((name) => name !== 'default'));
  const awayMs = random.between(0.5, 6) * removedAfterMs;
  await site.strike({ kind: 'server removed', server }, async () => {
    site.configured.delete(server);
    await deployConfiguration(site, over);
    await pause(awayMs, over);
    site.configured.add(server);
    await site.strike({ kind: 'server added', server }, () => deployConfiguration(site));
  });
}

/** Replaces every process that does not have the servers that are configured now. */
async function deployConfiguration(site: Site, over?: AbortSignal): Promise<void> {
  const hasAll = (servers: readonly string[]) =>
    servers.length === site.configured.size && servers.every((server) => site.configured.has(server));
  const isOutdated = ({ current }: Place) => current !== undefined && !hasAll(current.record.servers);
  for (;;) {
    const outdated = [...site.workers, ...site.webs].find(isOutdated);
    if (outdated === undefined || over?.aborted) return;
    await outdated.replace();
  }
}
