/** The document as one page: it needs no script, and loads nothing. */
import { html, raw } from 'hono/html';
import type { PropsWithChildren } from 'hono/jsx';
import { type ApiDocument, methods } from '../openapi/document.ts';
import { Operation, type OperationProps, operationId } from './operation.tsx';
import { Prose, Words } from './prose.tsx';
import { Fields } from './schema.tsx';
import { style } from './style.ts';

/** The whole page as text. */
export function renderDocument(document: ApiDocument): string {
  return String(html`<!doctype html>${<Page document={document} />}`);
}

type DocumentProps = { document: ApiDocument };

function Page({ document }: DocumentProps) {
  const operations = operationsOf(document);
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <title>{`${document.info.title} ${document.info.version}`}</title>
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <link rel="icon" href="data:," />
        <style>{raw(style)}</style>
      </head>
      <body>
        <a class="skip" href="#content">
          Skip to content
        </a>
        <Contents document={document} operations={operations} />
        <main id="content" tabindex={-1}>
          <Introduction document={document} />
          {(document.tags ?? []).map(({ name, description }) => (
            <Section title={name}>
              <Prose text={description} />
              {operations.filter(({ operation }) => operation.tags?.includes(name)).map(Operation)}
            </Section>
          ))}
          <Errors document={document} />
          <Section title="Objects">
            {Object.entries(document.components?.schemas ?? {}).map(([name, schema]) => (
              <article id={name}>
                <h3>{name}</h3>
                <dl>
                  <Fields schema={schema} />
                </dl>
              </article>
            ))}
          </Section>
        </main>
      </body>
    </html>
  );
}

function operationsOf(document: ApiDocument): OperationProps[] {
  const places = { ...document.paths, ...document.webhooks };
  return Object.entries(places).flatMap(([path, item]) =>
    methods.flatMap((method) => {
      const operation = item !== undefined && !('$ref' in item) ? item[method] : undefined;
      const shown = path in (document.webhooks ?? {}) ? 'your callback_url' : path;
      return operation === undefined ? [] : [{ document, method, path: shown, operation }];
    }),
  );
}

const idOf = (title: string) => title.toLowerCase();

function Section({ title, children }: PropsWithChildren<{ title: string }>) {
  return (
    <section id={idOf(title)} aria-labelledby={`${idOf(title)}-title`}>
      <h2 id={`${idOf(title)}-title`}>{title}</h2>
      {children}
    </section>
  );
}

function Contents({ document, operations }: DocumentProps & { operations: OperationProps[] }) {
  const tags = (document.tags ?? []).map(({ name }) => name);
  return (
    <nav aria-label="Contents">
      <details open>
        <summary>Contents</summary>
        <ul>
          <li>
            <a href="#authentication">Authentication</a>
          </li>
          {tags.map((tag) => (
            <li>
              <a href={`#${idOf(tag)}`}>{tag}</a>
              <ul>
                {operations
                  .filter(({ operation }) => operation.tags?.includes(tag))
                  .map(({ operation }) => (
                    <li>
                      <a href={`#${operationId(operation)}`}>{operation.summary}</a>
                    </li>
                  ))}
              </ul>
            </li>
          ))}
          <li>
            <a href="#errors">Errors</a>
          </li>
          <li>
            <a href="#objects">Objects</a>
          </li>
        </ul>
      </details>
    </nav>
  );
}

const firstCall = `curl -H "Api-Key: $KEY" -H "Api-Secret: $SECRET" \\
  -d cmd=apps:list -d sync=true "$URL/commands"`;

function Introduction({ document: { info, components } }: DocumentProps) {
  return (
    <>
      <header>
        <h1>
          {info.title} <small>{info.version}</small>
        </h1>
        <p class="lead">{info.summary}</p>
        <Prose text={info.description} />
        <pre tabindex={0}>{firstCall}</pre>
        <p>
          For programs: <a href="/openapi.json">the same as an OpenAPI document</a>.
        </p>
      </header>
      <Section title="Authentication">
        <p>
          Send both headers with every request, but for what is open to all. <code>Authorization: Basic</code> is taken
          too.
        </p>
        <dl>
          {Object.values(components?.securitySchemes ?? {}).map((scheme) => (
            <div class="field">
              <dt>
                <code>{'name' in scheme ? scheme.name : 'Authorization'}</code>
              </dt>
              {'description' in scheme && (
                <dd>
                  <Words text={scheme.description ?? ''} />
                </dd>
              )}
            </div>
          ))}
        </dl>
      </Section>
    </>
  );
}

/** Each code once, by its example in the form of RFC 9457, which has the status as a number. */
function Errors({ document }: DocumentProps) {
  const examples = Object.entries(document.components?.examples ?? {}).flatMap(([name, example]) =>
    name.endsWith('_problem') && 'value' in example
      ? [example.value as { status: number; code: string; detail: string }]
      : [],
  );
  return (
    <Section title="Errors">
      <p>
        By default an <a href="#Error">Error</a>; where <code>Accept</code> asks for{' '}
        <code>application/problem+json</code> a <a href="#Problem">Problem</a> as of RFC 9457. Switch on{' '}
        <code>code</code>, which is stable.
      </p>
      <dl>
        {examples.map(({ status, code, detail }) => (
          <div class="field" id={`error-${code}`}>
            <dt>
              <span class={`status of-${String(status)[0]}`}>{status}</span> <code>{code}</code>
            </dt>
            <dd>{detail}</dd>
          </div>
        ))}
      </dl>
    </Section>
  );
}
