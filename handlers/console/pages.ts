/** What the console's paths do, by the names that its route table has for them. */
import type { Dependencies } from '../factory.ts';
import { smallBody } from '../middleware/body-limit.ts';
import type { FailedAuthentications } from '../middleware/failed-authentications.ts';
import { cancelFromConsole, resendFromConsole, retryFromConsole } from './actions.ts';
import { getAsset } from './assets.ts';
import { commandPage } from './command.tsx';
import { streamCommandChanges } from './command-events.ts';
import { consoleDependencies } from './console-dependencies.ts';
import { errorPages, noPage } from './error-pages.tsx';
import { ownForms } from './form.ts';
import { keysPage } from './keys.tsx';
import { listPage } from './list.tsx';
import { streamRows } from './list-events.tsx';
import { rawOutput } from './output.ts';
import { runFromConsole, runPage } from './run.tsx';
import { serversPage } from './servers.tsx';
import { signIn, signInPage, signOut } from './sign-in.tsx';
import { signedIn } from './signed-in.tsx';

/**
 * @param failures shared with the API's authentication
 * @param wallClock milliseconds since 1970
 */
export function createPages(deps: Dependencies, failures: FailedAuthentications, wallClock: () => number) {
  const all = consoleDependencies(deps, failures, wallClock);
  return {
    errorPages: [errorPages(all)],
    asset: getAsset,
    signInPage: signInPage(all),
    signIn: signIn(all),
    signedIn: [signedIn(all)],
    ownForms: [smallBody, ownForms],
    list: listPage(all),
    rowEvents: streamRows(all),
    run: runPage(all),
    command: commandPage(all),
    commandEvents: streamCommandChanges(all),
    output: rawOutput(all),
    servers: serversPage(all),
    keys: keysPage(all),
    accept: runFromConsole(all),
    retry: retryFromConsole(all),
    cancel: cancelFromConsole(all),
    resend: resendFromConsole(all),
    signOut,
    noPage,
  };
}
