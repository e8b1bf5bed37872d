import { html } from 'hono/html';
import type { PropsWithChildren } from 'hono/jsx';
import { assetPath } from '../assets.ts';
import type { Session } from '../session.ts';
import { FormToken } from './form-token.tsx';
import { Icon } from './icon.tsx';

const styleSheets = [
  'style.css',
  'controls.css',
  'signs.css',
  'list.css',
  'tables.css',
  'command.css',
  'output.css',
] as const;

const sections = [
  { path: '/console', text: 'Commands' },
  { path: '/console/servers', text: 'Servers' },
  { path: '/console/keys', text: 'Keys' },
] as const;

type Section = (typeof sections)[number]['text'];

type DocumentProps = PropsWithChildren<{
  title: string;
  /** Asks for the page once more, now from a page of ours, at this path. */
  reloadAt?: string | undefined;
  /** By the server's clock, for ages that the browser keeps up to date. */
  now: number;
}>;

/** The whole of a page but for what it shows. */
export function Document({ title, reloadAt, now, children }: DocumentProps) {
  return html`<!doctype html>${(
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <title>{`${title} · dokku-api`}</title>
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="robots" content="noindex" />
        <meta name="server-time" content={String(now)} />
        {reloadAt !== undefined && <meta http-equiv="refresh" content={`0; url=${reloadAt}`} />}
        <link rel="icon" href={assetPath('icon.svg')} type="image/svg+xml" />
        {styleSheets.map((name) => (
          <link rel="stylesheet" href={assetPath(name)} />
        ))}
        <script type="module" src={assetPath('console.js')} />
      </head>
      <body>{children}</body>
    </html>
  )}`;
}

type PageProps = PropsWithChildren<{
  title: string;
  session: Session;
  section?: Section;
  now: number;
}>;

/** A page of the console for somebody who is signed in. */
export function Page({ title, session, section, now, children }: PageProps) {
  return (
    <Document title={title} now={now}>
      <a class="skip" href="#content">
        Skip to content
      </a>
      <header class="top">
        <div class="top-inside">
          <a class="brand" href="/console" aria-label="dokku-api console, all commands">
            <Brand />
          </a>
          <nav class="sections" aria-label="Sections">
            {sections.map(({ path, text }) => (
              <a href={path} aria-current={text === section ? 'page' : undefined}>
                {text}
              </a>
            ))}
          </nav>
          <a class="button primary run" href="/console/run">
            <Icon name="play" />
            <span>
              Run<span class="wide"> a command</span>
            </span>
          </a>
          <form class="sign-out" method="post" action="/console/sign-out">
            <FormToken session={session} />
            <button class="button plain" type="submit" title={`Signed in with ${session.key.publicId}`}>
              Sign out
            </button>
          </form>
        </div>
      </header>
      <main id="content" tabindex={-1}>
        {children}
      </main>
      <p class="unseen" id="announcer" role="status" />
    </Document>
  );
}

export function Brand() {
  return (
    <>
      <img src={assetPath('icon.svg')} alt="" width="24" height="24" />
      <span>dokku-api</span>
    </>
  );
}
