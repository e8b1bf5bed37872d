/** What stands before every page of the console: a session, or the form that begins one. */
import type { Context } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { describeError } from '../error-report.ts';
import { type AppEnv, factory } from '../factory.ts';
import { forwardedEntry } from '../middleware/client-address.ts';
import type { ConsoleDependencies } from './console-dependencies.ts';
import { formTokenOf, type Session, sessionSeconds } from './session.ts';
import { SignInPage } from './views/sign-in-page.tsx';

const cookieName = 'dokku_api_console';
const path = '/console';

/**
 * Puts the session's key into the context. Without a session the answer is the sign-in form, whatever was asked for; an
 * Api-Key in the headers is none: programs have the API.
 */
export function signedIn({ sessions, keys, log, wallClock }: ConsoleDependencies) {
  return factory.createMiddleware(async (context, next) => {
    const cookie = getCookie(context, cookieName);
    const session = cookie === undefined ? null : await sessions.find(cookie);
    if (session !== null) {
      context.set('key', session.key);
      keys.touch([session.key.publicId]).catch((error: unknown) => {
        log.warn(describeError(error), 'the time of last use of a key was not stored');
      });
      return await next();
    }
    // A script that is told so loads the page anew, which then says why it is gone.
    if (cookie !== undefined && context.req.header('sec-fetch-dest') !== 'empty') endSession(context);
    context.header('WWW-Authenticate', 'ApiKey');
    const asked = returnPath(context.req.method === 'GET' ? pathAndQuery(context.req.url) : path);
    return await context.html(
      <SignInPage
        problem={cookie === undefined ? undefined : 'ended'}
        next={asked}
        reloadAt={cookie === undefined && isLinkFromElsewhere(context) ? asked : undefined}
        now={wallClock()}
      />,
      401,
    );
  });
}

/** The session of a request behind `signedIn`. */
export function sessionOf(context: Context<AppEnv>): Session {
  return { key: context.var.key, formToken: formTokenOf(getCookie(context, cookieName) ?? '') };
}

/** The cookie of a request behind `signedIn`, to look at the session again later. */
export function sessionCookie(context: Context<AppEnv>): string {
  return getCookie(context, cookieName) ?? '';
}

export function beginSession(context: Context<AppEnv>, cookie: string, trustedProxies: number): void {
  const secure = forwardedEntry(context.req.header('x-forwarded-proto'), trustedProxies) === 'https';
  setCookie(context, cookieName, cookie, { path, httpOnly: true, sameSite: 'Strict', secure, maxAge: sessionSeconds });
}

export function endSession(context: Context<AppEnv>): void {
  deleteCookie(context, cookieName, { path, httpOnly: true, sameSite: 'Strict' });
}

/** A page of the console to go to after signing in; its first page in place of anything else. */
export function returnPath(text: string): string {
  return /^\/console(?:[/?][!-~]*)?$/.test(text) && !/\/(?:events|output|sign-in)\b/.test(text) ? text : path;
}

function pathAndQuery(url: string): string {
  const { pathname, search } = new URL(url);
  return pathname + search;
}

/** A browser holds a strict cookie back when a link on another site leads here, and sends it once a page of ours asks. */
function isLinkFromElsewhere({ req }: Context<AppEnv>): boolean {
  const site = req.header('sec-fetch-site');
  return req.method === 'GET' && req.header('sec-fetch-mode') === 'navigate' && /^(cross|same)-site$/.test(site ?? '');
}
