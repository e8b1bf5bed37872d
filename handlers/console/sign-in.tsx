import { readCredentials } from '../../lib/credentials.ts';
import { factory } from '../factory.ts';
import { smallBody } from '../middleware/body-limit.ts';
import { clientAddress } from '../middleware/client-address.ts';
import type { ConsoleDependencies } from './console-dependencies.ts';
import { formFields, textField } from './form.ts';
import { beginSession, endSession, returnPath } from './signed-in.tsx';
import { SignInPage, type SignInProblem } from './views/sign-in-page.tsx';

/** GET /console/sign-in */
export function signInPage({ wallClock }: Pick<ConsoleDependencies, 'wallClock'>) {
  return factory.createHandlers((context) => context.html(<SignInPage next="/console" now={wallClock()} />));
}

/** POST /console/sign-in: begins a session, and goes to the page that was asked for. */
export function signIn({ sessions, keys, config, failedAuthentications, wallClock }: ConsoleDependencies) {
  return factory.createHandlers(smallBody, async (context) => {
    const fields = await formFields(context);
    const apiKey = textField(fields, 'api_key').trim();
    const apiSecret = textField(fields, 'api_secret').trim();
    const next = returnPath(textField(fields, 'next'));
    const credentials = readCredentials((name) => ({ 'api-key': apiKey, 'api-secret': apiSecret })[name]);
    const result = credentials && (await sessions.signIn(credentials));
    if (result?.outcome === 'signed in') {
      await keys.touch([result.key.publicId]);
      beginSession(context, result.cookie, config.trustedProxies);
      return context.redirect(next, 303);
    }
    const refuse = (problem: SignInProblem, status: 401 | 403 | 429) =>
      context.html(<SignInPage problem={problem} next={next} apiKey={apiKey} now={wallClock()} />, status);
    if (result?.outcome === 'not admin') return await refuse('not admin', 403);
    const waitSeconds = await failedAuthentications.count(clientAddress(context.req, context.env, config));
    if (waitSeconds === null) return await refuse('refused', 401);
    context.header('Retry-After', String(waitSeconds));
    return await refuse('too many', 429);
  });
}

/** POST /console/sign-out */
export const signOut = factory.createHandlers((context) => {
  endSession(context);
  return context.redirect('/console/sign-in', 303);
});
