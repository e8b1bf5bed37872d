import { Brand, Document } from './layout.tsx';

type ErrorPageProps = {
  title: string;
  detail: string;
  /** Whether doctor can find the cause. */
  asksDoctor: boolean;
  code: string;
  requestId: string;
  /** Where to look for what became of it; the list where it is not known. */
  link: { path: string; text: string } | undefined;
  now: number;
};

/** What went wrong, what to do about it, and by which words our log knows it. */
export function ErrorPage({ title, detail, asksDoctor, code, requestId, link, now }: ErrorPageProps) {
  return (
    <Document title={title} now={now}>
      <main id="content" class="sign-in">
        <div class="sign-in-brand">
          <Brand />
        </div>
        <div class="card">
          <h1>{title}</h1>
          <p>{detail}</p>
          {asksDoctor && (
            <p>
              <code>npm run -s doctor</code>, typed on the host of dokku-api, says what is wrong and what to do about
              it.
            </p>
          )}
          <p>
            <a class="button" href={link?.path ?? '/console'}>
              {link?.text ?? 'All commands'}
            </a>
          </p>
        </div>
        <p class="hint">
          <code>{code}</code> · request <code>{requestId}</code>
        </p>
      </main>
    </Document>
  );
}
