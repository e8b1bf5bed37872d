import { type CommandSummaries, createCommandSummaries } from '../../db/command-summaries.ts';
import { type CommandViews, createCommandViews } from '../../db/command-view.ts';
import { createSeal } from '../../lib/seal.ts';
import type { Dependencies } from '../factory.ts';
import type { FailedAuthentications } from '../middleware/failed-authentications.ts';
import { createReadiness } from '../readiness.ts';
import { createSessions, type Sessions } from './session.ts';
import { endCharacters } from './shown-text.ts';

export type Readiness = Awaited<ReturnType<ReturnType<typeof createReadiness>>>;

/** What the console's handlers are given beside what every handler is. */
export type ConsoleDependencies = Dependencies & {
  sessions: Sessions;
  summaries: CommandSummaries;
  views: CommandViews;
  readiness: () => Promise<Readiness>;
  /** Those of the API among them: who guesses has not two turns. */
  failedAuthentications: FailedAuthentications;
  /** Milliseconds since 1970: for ages, and for the end of sessions. */
  wallClock: () => number;
};

export function consoleDependencies(
  deps: Dependencies,
  failedAuthentications: FailedAuthentications,
  wallClock: () => number,
): ConsoleDependencies {
  const seal = createSeal(deps.config.secretKeys, 'console-session');
  return {
    ...deps,
    sessions: createSessions({ keys: deps.keys, seal, wallClock }),
    summaries: createCommandSummaries(deps.database),
    views: createCommandViews(deps.database, endCharacters),
    readiness: createReadiness(deps),
    failedAuthentications,
    wallClock,
  };
}
