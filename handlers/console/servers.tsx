import { serversOf } from '../../lib/config.ts';
import { silenceSeconds } from '../../lib/worker-silence.ts';
import { factory } from '../factory.ts';
import type { ConsoleDependencies } from './console-dependencies.ts';
import { sessionOf } from './signed-in.tsx';
import { ServersPage } from './views/servers-page.tsx';

type ServersDependencies = Pick<ConsoleDependencies, 'config' | 'serverStatuses' | 'readiness' | 'wallClock'>;

/** GET /console/servers: what each server does, what waits there, who runs it, and what keeps it from running. */
export function serversPage({ config, serverStatuses, readiness, wallClock }: ServersDependencies) {
  const names = serversOf(config).map(({ name }) => name);
  return factory.createHandlers(async (context) => {
    const [servers, ready] = await Promise.all([serverStatuses.of(names, silenceSeconds(config)), readiness()]);
    return await context.html(
      <ServersPage session={sessionOf(context)} servers={servers} readiness={ready} now={wallClock()} />,
    );
  });
}
