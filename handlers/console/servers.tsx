import { serversOf } from '../../lib/config.ts';
import { silenceSeconds } from '../../lib/worker-silence.ts';
import { factory } from '../factory.ts';
import type { ConsoleDependencies } from './console-dependencies.ts';
import { sessionOf } from './signed-in.tsx';
import { ServersPage } from './views/servers-page.tsx';

type ServersDependencies = Pick<ConsoleDependencies, 'config' | 'serverStatuses' | 'wallClock'>;

/** GET /console/servers: what each server does, what waits there, who runs it, and what keeps it from running. */
export function serversPage({ config, serverStatuses, wallClock }: ServersDependencies) {
  const names = serversOf(config).map(({ name }) => name);
  return factory.createHandlers(async (context) => {
    const servers = await serverStatuses.of(names, silenceSeconds(config));
    return await context.html(<ServersPage session={sessionOf(context)} servers={servers} now={wallClock()} />);
  });
}
