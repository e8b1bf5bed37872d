import { factory } from '../factory.ts';
import type { ConsoleDependencies } from './console-dependencies.ts';
import { sessionOf } from './signed-in.tsx';
import { KeysPage } from './views/keys-page.tsx';

type KeysDependencies = Pick<ConsoleDependencies, 'config' | 'keys' | 'wallClock'>;

/** GET /console/keys: every key, what it may do and when it was last used. */
export function keysPage({ config, keys, wallClock }: KeysDependencies) {
  return factory.createHandlers(async (context) =>
    context.html(
      <KeysPage session={sessionOf(context)} keys={await keys.list()} usualRate={config.rateLimit} now={wallClock()} />,
    ),
  );
}
