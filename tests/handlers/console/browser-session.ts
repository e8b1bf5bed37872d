import type { Web } from '../web.ts';

export type Credentials = { apiKey: string; apiSecret: string };

/** What a browser sends with the forms and links of our own pages. */
const ownPage = { 'Sec-Fetch-Site': 'same-origin' };

/** A client that holds the console's cookie, as a browser without scripts would. */
export type BrowserSession = {
  cookie: string;
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  /** Sends a form with the token of the session's own pages, where `form_token` is not given. */
  post(path: string, fields?: Record<string, string>, headers?: Record<string, string>): Promise<Response>;
};

/** Sends the sign-in form. */
export async function sendSignIn(
  web: Web,
  { apiKey, apiSecret }: Credentials,
  options: { next?: string; headers?: Record<string, string> } = {},
): Promise<Response> {
  return await fetch(`${web.url}/console/sign-in`, {
    method: 'POST',
    redirect: 'manual',
    headers: { ...ownPage, ...options.headers },
    body: new URLSearchParams({ api_key: apiKey, api_secret: apiSecret, next: options.next ?? '/console' }),
  });
}

/** @throws Error where the key is refused */
export async function signIn(web: Web, credentials: Credentials): Promise<BrowserSession> {
  const answer = await sendSignIn(web, credentials);
  const cookie = answer.headers.get('set-cookie')?.split(';')[0];
  if (answer.status !== 303 || cookie === undefined) throw new Error(`not signed in: ${answer.status}`);
  return sessionWith(web, cookie);
}

/** @param cookie name and value */
export function sessionWith(web: Web, cookie: string): BrowserSession {
  const session: BrowserSession = {
    cookie,
    get: (path, headers = {}) =>
      fetch(web.url + path, { redirect: 'manual', headers: { ...ownPage, Cookie: cookie, ...headers } }),
    post: async (path, fields = {}, headers = {}) => {
      const form_token = fields.form_token ?? (await formToken(session));
      return await fetch(web.url + path, {
        method: 'POST',
        redirect: 'manual',
        headers: { ...ownPage, Cookie: cookie, ...headers },
        body: new URLSearchParams({ ...fields, form_token }),
      });
    },
  };
  return session;
}

async function formToken(session: BrowserSession): Promise<string> {
  const page = await (await session.get('/console/run')).text();
  return /name="form_token" value="([^"]+)"/.exec(page)?.[1] ?? '';
}
